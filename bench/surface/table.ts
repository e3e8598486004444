/** Tables and numbers of the documents that benchmarks write. */

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map(tableLine).join("\n");
}

export const tableLine = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

export const count = (value: number): string => value.toLocaleString("en-US");
