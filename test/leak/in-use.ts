import process from "node:process";

/** Bytes in use (heap and buffers) after a collection: the least of some, as some is collected a moment later. */
export async function inUse(): Promise<number> {
  const { Bun, gc } = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void };
  let least = Infinity;
  for (let i = 0; i < 4; i++) {
    if (Bun !== undefined) Bun.gc(true);
    else gc!();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}
