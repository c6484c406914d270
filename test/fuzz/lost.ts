import { Http2Error } from "../../src/http2/wire/error.ts";

/**
 * Why connections were lost: `end`, with which the case itself ended it, or what the protocol says of the server. A
 * connection also ends with whatever a mistake of this side throws, which must not pass for the server's.
 */
export function checkLost(seed: number, causes: readonly (Error | undefined)[], end: Error): void {
  for (const cause of causes) {
    if (cause === undefined || cause === end || cause instanceof Http2Error) continue;
    throw new Error(`case ${seed}: a mistake of this side ended the connection`, { cause });
  }
}
