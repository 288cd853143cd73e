import { createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import type { Session, SessionState } from '../session.ts';

const SessionContext = createContext<Session | undefined>(undefined);

export const SessionProvider = SessionContext.Provider;

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('useSession is used outside SessionProvider');
  return session;
}

export function useSessionState(): SessionState {
  const session = useSession();
  return useSyncExternalStore(session.subscribe, session.getState);
}

/** The time, read again every `interval` milliseconds while `running`. */
export function useNow(interval: number, running: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [interval, running]);
  return now;
}

/** State that outlives the page, where the browser allows it. */
export function useStored<T extends string>(key: string, values: readonly T[], initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => readStored(key, values, initial));
  return [
    value,
    (next) => {
      setValue(next);
      writeStored(key, next);
    },
  ];
}

export function readStored<T extends string>(key: string, values: readonly T[], initial: T): T {
  try {
    const stored = localStorage.getItem(`artesian:${key}`);
    return values.find((value) => value === stored) ?? initial;
  } catch {
    return initial;
  }
}

export function writeStored(key: string, value: string): void {
  try {
    localStorage.setItem(`artesian:${key}`, value);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}
