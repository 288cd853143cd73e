/** The bar between the table and the JSON: drag it, or move it with the arrow keys. */
import { useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';

const MIN = 15;
const MAX = 85;

export function Splitter() {
  const bar = useRef<HTMLDivElement>(null);
  const [share, setShare] = useState(60);

  const move = (next: number) => {
    const bounded = Math.min(MAX, Math.max(MIN, next));
    setShare(bounded);
    pane(bar.current)?.style.setProperty('--live-share', `${bounded}%`);
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = pane(bar.current)?.getBoundingClientRect();
    if (box) move(((event.clientY - box.top) / box.height) * 100);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowUp: -5, ArrowDown: 5 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(share + step);
  };

  return (
    <div
      ref={bar}
      className="splitter"
      role="separator"
      aria-orientation="horizontal"
      aria-label="Share of the table"
      aria-valuemin={MIN}
      aria-valuemax={MAX}
      aria-valuenow={Math.round(share)}
      tabIndex={0}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={onPointerMove}
      onKeyDown={onKeyDown}
    />
  );
}

function pane(bar: HTMLElement | null): HTMLElement | null {
  return bar?.closest<HTMLElement>('.graphiql-response') ?? null;
}
