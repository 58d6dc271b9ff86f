import { useEffect, useState } from "react";

const TICK_MS = 500;

/** The time in milliseconds, anew twice a second while something goes on. */
export function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isTicking) return;
    const ticking = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(ticking);
  }, [isTicking]);
  return now;
}
