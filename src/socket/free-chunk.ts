/** For what is smaller, freeing costs as much as it saves. */
const LEAST_BYTES = 4 * 1024;

/**
 * Frees the memory of a chunk that was read from a socket, if the chunk has it to itself, as those of Node, Bun and Deno
 * do. Otherwise it is garbage outside of the heap, and for a few dozen MiB of that V8 collects the whole heap: for a
 * proxy of streams, that took more CPU time than all else.
 */
export function freeChunk({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= LEAST_BYTES && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
}
