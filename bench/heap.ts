import process from "node:process";

const BATCHES = 7;

/**
 * What a call allocates on the JavaScript heap, in bytes: the second largest of several batches of calls, as a collection
 * after all (buffers' bytes can cause one) makes a batch look smaller.
 *
 * It runs in a process of its own in which nothing is collected within a batch, so the growth of the used heap is what
 * was allocated: Node and Deno with a young generation that is larger than a batch and is emptied before each
 * ({@link V8_HEAP_FLAGS}), Bun without its collector ({@link BUN_HEAP_ENVIRONMENT}). Bytes outside of the heap (the stores
 * of buffers) are not in it.
 */
export async function allocatedBytes(call: () => Promise<void>, inFlight: number, calls: number): Promise<number> {
  const used = () => process.memoryUsage().heapUsed;
  const batch = async () => {
    let left = calls;
    const worker = async () => {
      while (left-- > 0) await call();
    };
    await Promise.all(Array.from({ length: Math.min(inFlight, calls) }, worker));
  };
  await batch();
  const growth: number[] = [];
  for (let i = 0; i < BATCHES; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    const before = used();
    await batch();
    growth.push((used() - before) / calls);
  }
  return growth.sort((a, b) => a - b)[BATCHES - 2]!;
}

/** The young generation's size for {@link allocatedBytes}, in MiB. */
const SPACE = 192;
/** Flags for V8. */
export const V8_HEAP_FLAGS: readonly string[] = [
  "--expose-gc",
  `--min-semi-space-size=${SPACE}`,
  `--max-semi-space-size=${SPACE}`,
];
/** Environment for JavaScriptCore. */
export const BUN_HEAP_ENVIRONMENT: Readonly<Record<string, string>> = { BUN_JSC_useGC: "0" };
