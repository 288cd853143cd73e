import { PROTOCOLS, type Protocol } from '../transport/transport.ts';
import { Choice, type Option } from './Choice.tsx';
import { useSession, useSessionState, writeStored } from './context.ts';
import { describeStatus } from './status.ts';

const protocols: readonly Option<Protocol>[] = PROTOCOLS.map((value) => ({
  value,
  label: value,
  title: value === 'graphql-ws' ? 'The older subprotocol, of subscriptions-transport-ws' : 'The current subprotocol',
}));

export function Header() {
  const session = useSession();
  const { protocol, status } = useSessionState();
  const { tone, text } = describeStatus(status);
  return (
    <header className="brand-bar">
      <Mark />
      <h1>Artesian</h1>
      <p className="tagline">Pushes without polling.</p>
      <div className="spacer" />
      <span className="caption" aria-hidden="true">
        WebSocket
      </span>
      <Choice
        label="WebSocket subprotocol"
        name="protocol"
        options={protocols}
        value={protocol}
        onChange={(next) => {
          session.useProtocol(next);
          writeStored('protocol', next);
        }}
      />
      <output className={`status ${tone}`} title={text} data-status={status.kind}>
        <i aria-hidden="true" />
        <span>{text}</span>
      </output>
    </header>
  );
}

/** Water that rises by its own pressure. */
function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" className="mark-ground" />
      <path className="mark-jet" d="M16 26V13" />
      <path className="mark-arc" d="M16 13c0-5-7.5-6-9 1.5" />
      <path className="mark-arc" d="M16 13c0-5 7.5-6 9 1.5" />
      <path className="mark-pool" d="M6 22.5c1.7 0 1.7 1.3 3.3 1.3s1.7-1.3 3.4-1.3M19.3 22.5c1.7 0 1.7 1.3 3.4 1.3s1.6-1.3 3.3-1.3" />
    </svg>
  );
}
