import { describeClose } from '../model/close.ts';
import type { Status } from '../session.ts';

export type Tone = 'quiet' | 'busy' | 'good' | 'bad';

export function describeStatus(status: Status): { readonly tone: Tone; readonly text: string } {
  switch (status.kind) {
    case 'idle':
      return { tone: 'quiet', text: 'Ready' };
    case 'sending':
      return { tone: 'busy', text: 'Sending' };
    case 'answered':
      return { tone: status.code < 300 ? 'good' : 'bad', text: `HTTP ${status.code} in ${status.ms} ms` };
    case 'connecting':
      return { tone: 'busy', text: 'Connecting' };
    case 'live':
      return { tone: 'good', text: 'Live' };
    case 'reconnecting':
      return { tone: 'busy', text: `Reconnecting after ${describeClose(status.close)}` };
    case 'complete':
      return { tone: 'quiet', text: 'Completed by the server' };
    case 'stopped':
      return { tone: 'quiet', text: 'Stopped' };
    case 'closed':
      return { tone: 'bad', text: `Closed: ${describeClose(status.close)}` };
    case 'failed':
      return { tone: 'bad', text: status.message };
  }
}

export function ago(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 1) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}
