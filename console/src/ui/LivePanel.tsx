/** Beside the JSON: the latest result as tables, what changed in it, and how the stream is doing. */
import { useSessionState, useNow } from './context.ts';
import { Choice, type Option } from './Choice.tsx';
import { LiveTableView } from './LiveTable.tsx';
import { Sparkline } from './Sparkline.tsx';
import { ago } from './status.ts';

export const LAYOUTS = ['table', 'both', 'json'] as const;
export type Layout = (typeof LAYOUTS)[number];

const layouts: readonly Option<Layout>[] = [
  { value: 'table', label: 'Table' },
  { value: 'both', label: 'Both' },
  { value: 'json', label: 'JSON' },
];

interface Props {
  readonly layout: Layout;
  readonly onLayout: (layout: Layout) => void;
}

export function LivePanel({ layout, onLayout }: Props) {
  const { view, errors, updates, status } = useSessionState();
  return (
    <section className="live" aria-label="Live view">
      <div className="live-bar">
        <Counters />
        <div className="spacer" />
        <Choice label="Result view" name="layout" options={layouts} value={layout} onChange={onLayout} />
      </div>
      {errors.length > 0 && <Errors errors={errors} />}
      {layout !== 'json' && (
        <div className="live-body" tabIndex={0} role="region" aria-label="Result as a table">
          {view?.map((table) => <LiveTableView key={table.name} table={table} />)}
          {!view && errors.length === 0 && <Empty waiting={updates === 0 && status.kind === 'live'} />}
        </div>
      )}
    </section>
  );
}

function Counters() {
  const { updates, lastAt, rate, status } = useSessionState();
  const moving = lastAt !== undefined;
  const now = Math.max(useNow(500, moving), lastAt ?? 0);
  return (
    <dl className="counters">
      <div>
        <dt>updates</dt>
        <dd data-testid="updates">{updates.toLocaleString('en')}</dd>
      </div>
      <div>
        <dt>latest</dt>
        <dd data-testid="last">{lastAt === undefined ? '–' : ago(now - lastAt)}</dd>
      </div>
      {moving && status.kind !== 'answered' && (
        <div className="minute">
          <dt>last minute</dt>
          <dd>
            <Sparkline rate={rate} now={now} />
          </dd>
        </div>
      )}
    </dl>
  );
}

function Empty({ waiting }: { readonly waiting: boolean }) {
  return (
    <div className="empty">
      <svg viewBox="0 0 64 40" aria-hidden="true">
        <path d="M32 36V16" />
        <path d="M32 16c0-11-16-13-19 3M32 16c0-11 16-13 19 3" />
        <path d="M4 34c4 0 4 3 8 3s4-3 8-3 4 3 8 3M36 37c4 0 4-3 8-3s4 3 8 3 4-3 8-3" />
      </svg>
      <p>{waiting ? 'Connected. Waiting for the first result.' : 'Run an operation to see its result here.'}</p>
      {!waiting && (
        <p className="hint">
          A <code>subscription</code> or a <code>query @live</code> keeps its result up to date; what changes lights up.
        </p>
      )}
    </div>
  );
}

interface ErrorLike {
  readonly message?: unknown;
  readonly path?: readonly unknown[];
  readonly extensions?: { readonly code?: unknown };
}

function Errors({ errors }: { readonly errors: readonly unknown[] }) {
  return (
    <ul className="errors" role="alert">
      {errors.map((each, index) => {
        const error = (typeof each === 'object' && each !== null ? each : { message: each }) as ErrorLike;
        return (
          <li key={index}>
            {error.extensions?.code !== undefined && <code>{String(error.extensions.code)}</code>}
            <span>{String(error.message ?? JSON.stringify(each))}</span>
            {Array.isArray(error.path) && <code className="path">{error.path.join('.')}</code>}
          </li>
        );
      })}
    </ul>
  );
}
