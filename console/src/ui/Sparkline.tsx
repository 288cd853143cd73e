import { shiftTo, WINDOW_SECONDS, type Rate } from '../model/rate.ts';

const HEIGHT = 16;

/** Updates per second over the last minute. */
export function Sparkline({ rate, now }: { readonly rate: Rate; readonly now: number }) {
  const { buckets } = shiftTo(rate, now);
  const peak = Math.max(...buckets, 1);
  const total = buckets.reduce((sum, each) => sum + each, 0);
  return (
    <svg
      className="spark"
      viewBox={`0 0 ${WINDOW_SECONDS * 2} ${HEIGHT}`}
      role="img"
      aria-label={`${total} updates in the last minute`}
    >
      {buckets.map((count, index) => {
        const height = count === 0 ? 1 : Math.max((count / peak) * HEIGHT, 3);
        const tone = count === 0 ? 'zero' : undefined;
        return <rect key={index} x={index * 2} y={HEIGHT - height} width={1.4} height={height} className={tone} />;
      })}
    </svg>
  );
}
