/** Ties the session to what GraphiQL keeps to itself: its editors, its schema, its run button. Draws the header. */
import { useEditorContext, useExecutionContext, useSchemaStore } from '@graphiql/react';
import { useEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { suggest, WELCOME } from '../model/suggest.ts';
import { useSessionState } from './context.ts';
import { Header } from './Header.tsx';
import type { Layout } from './LivePanel.tsx';

const HEADERS_PAUSE_MS = 700;

interface Props {
  readonly headers: string | undefined;
  readonly layout: Layout;
  readonly headerSlot: HTMLElement;
}

export function Bridge({ headers, layout, headerSlot }: Props) {
  useSuggestion();
  useSchemaOfHeaders(headers);
  useRestartOnProtocol();

  const { responseEditor } = useEditorContext({ nonNull: true });
  useEffect(() => responseEditor?.refresh(), [layout, responseEditor]);

  return createPortal(
    <>
      <Header />
      <SchemaProblem />
    </>,
    headerSlot,
  );
}

/** An editor that nobody has touched gets an operation made for the schema. */
function useSuggestion(): void {
  const { queryEditor } = useEditorContext({ nonNull: true });
  const { schema } = useSchemaStore();
  useEffect(() => {
    if (!queryEditor || !schema) return;
    // Who is in it may have selected what is there, to write over it.
    const untouched = !queryEditor.hasFocus() && [WELCOME.trim(), ''].includes(queryEditor.getValue().trim());
    if (untouched) queryEditor.setValue(suggest(schema));
  }, [queryEditor, schema]);
}

/** Other headers may mean another role, and another schema. */
function useSchemaOfHeaders(headers: string | undefined): void {
  const { introspect } = useSchemaStore();
  useEffect(() => {
    if (headers === undefined || !isJsonObject(headers)) return;
    const timer = setTimeout(() => void introspect(), HEADERS_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [headers, introspect]);
}

/** A stream that runs when the subprotocol is switched goes on over the new one. */
function useRestartOnProtocol(): void {
  const { protocol } = useSessionState();
  const { isSubscribed, run, stop } = useExecutionContext({ nonNull: true });
  const used = useRef(protocol);
  const [restart, setRestart] = useState(false);
  useEffect(() => {
    if (used.current === protocol) return;
    used.current = protocol;
    if (!isSubscribed) return;
    stop();
    setRestart(true);
  }, [protocol, isSubscribed, stop]);
  useEffect(() => {
    if (!restart || isSubscribed) return;
    setRestart(false);
    run();
  }, [restart, isSubscribed, run]);
}

function SchemaProblem() {
  const { fetchError } = useSchemaStore();
  if (!fetchError) return null;
  return (
    <div className="schema-problem" role="alert">
      <strong>The schema could not be read.</strong> <span>{messageOf(fetchError)}</span>
    </div>
  );
}

function messageOf(fetchError: string): string {
  try {
    const { errors } = JSON.parse(fetchError) as { errors?: { message?: string }[] };
    const messages = errors?.map((error) => error.message).filter(Boolean);
    if (messages && messages.length > 0) return messages.join(' · ');
  } catch {
    // It is plain text.
  }
  return fetchError;
}

function isJsonObject(text: string): boolean {
  if (text.trim() === '') return true;
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
