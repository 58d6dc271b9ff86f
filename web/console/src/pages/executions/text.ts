/** What a person wants to read of an input or output: its text if it has one. */
export function textOf(data: Record<string, unknown>): string {
  const text = data.text ?? data.response ?? data.message;
  return typeof text === "string" ? text : JSON.stringify(data, null, 2);
}
