/** Milliseconds for which what was read is shown without asking again. Own edits are asked for at once. */
export const FRESH = 10_000;

/** Milliseconds after which what others change is asked for again, while it is shown. */
export const AGAIN = 4_000;

/** Milliseconds after which statistics are counted again, while they are shown. */
export const STATISTICS_AGAIN = 15_000;
