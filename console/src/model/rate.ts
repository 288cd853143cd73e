/** Updates counted by the second, for the little chart. Pure. */

export const WINDOW_SECONDS = 60;

export interface Rate {
  /** The second that the last bucket counts. */
  readonly second: number;
  readonly buckets: readonly number[];
}

export const noRate: Rate = { second: 0, buckets: [] };

export function countAt(rate: Rate, now: number): Rate {
  const { second, buckets } = shiftTo(rate, now);
  return { second, buckets: [...buckets.slice(0, -1), (buckets.at(-1) ?? 0) + 1] };
}

/** The buckets as they are at `now`: a full window, the oldest first. */
export function shiftTo(rate: Rate, now: number): Rate {
  const second = Math.floor(now / 1000);
  const silent = Math.min(Math.max(second - rate.second, 0), WINDOW_SECONDS);
  const padded = [...new Array<number>(WINDOW_SECONDS).fill(0), ...rate.buckets, ...new Array<number>(silent).fill(0)];
  return { second, buckets: padded.slice(-WINDOW_SECONDS) };
}
