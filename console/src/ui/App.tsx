import { GraphiQL } from 'graphiql';
import { useCallback, useMemo, useRef, useState } from 'react';
import { streams } from '../model/operation.ts';
import { WELCOME } from '../model/suggest.ts';
import type { Observer, Session } from '../session.ts';
import type { Headers, Request } from '../transport/transport.ts';
import { Bridge } from './Bridge.tsx';
import { SessionProvider, useStored } from './context.ts';
import { LAYOUTS, LivePanel } from './LivePanel.tsx';
import { Splitter } from './Splitter.tsx';

type Fetcher = Parameters<typeof GraphiQL>[0]['fetcher'];

export function App({ session }: { readonly session: Session }) {
  const fetcher = useMemo(() => fetcherOf(session), [session]);
  const [layout, setLayout] = useStored('layout', LAYOUTS, 'both');
  const [headers, setHeaders] = useState<string>();
  const [headerSlot, setHeaderSlot] = useState<HTMLElement | null>(null);
  const tab = useRef<number>(undefined);
  const onTabs = useCallback(
    ({ activeTabIndex }: { activeTabIndex: number }) => {
      if (tab.current !== undefined && tab.current !== activeTabIndex) session.clear();
      tab.current = activeTabIndex;
    },
    [session],
  );

  return (
    <SessionProvider value={session}>
      <div ref={setHeaderSlot} />
      <GraphiQL
        className={`layout-${layout}`}
        fetcher={fetcher}
        defaultQuery={WELCOME}
        onEditHeaders={setHeaders}
        onTabChange={onTabs}
      >
        <GraphiQL.Logo>{null}</GraphiQL.Logo>
        <GraphiQL.Footer>
          <LivePanel layout={layout} onLayout={setLayout} />
          {layout === 'both' && <Splitter />}
        </GraphiQL.Footer>
        {headerSlot && <Bridge headers={headers} layout={layout} headerSlot={headerSlot} />}
      </GraphiQL>
    </SessionProvider>
  );
}

/** The way of an operation: streams over the socket, everything else over HTTP. */
function fetcherOf(session: Session): Fetcher {
  return (params, options) => {
    const request: Request = {
      query: params.query,
      ...(isRecord(params.variables) && { variables: params.variables }),
      ...(params.operationName && { operationName: params.operationName }),
    };
    const headers: Headers = options?.headers ?? {};
    // GraphiQL gives the document with what the user runs, and none with its own introspection.
    if (!options?.documentAST && params.operationName === 'IntrospectionQuery') {
      return session.introspect(request, headers) as Promise<never>;
    }
    if (!streams(request.query, request.operationName)) {
      return session.ask(request, headers) as Promise<never>;
    }
    return {
      subscribe(observer: Observer) {
        return { unsubscribe: session.stream(request, headers, observer) };
      },
    } as unknown as ReturnType<Fetcher>;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
