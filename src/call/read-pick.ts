import type { Connection } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { PickResult } from "../policy/policy.ts";
import { connectionBehind } from "../policy/view.ts";

/** A validated {@link PickResult}. */
export interface ReadPick {
  readonly connection: EndpointConnection;
  /** The object that the picker returned. */
  readonly given: Connection;
  readonly header: Headers | undefined;
}

/** @throws TypeError for anything but a pick, or for metadata that a request can't carry. */
export function readPick(picked: unknown): ReadPick {
  const { connection: given, header } = (picked ?? {}) as Partial<PickResult>;
  const connection = connectionBehind(given);
  if (given === undefined || connection === undefined) {
    const expected = `a connection that its policy was given, { connection, header }, "wait" or an Error`;
    throw new TypeError(`returned ${String(picked)}: expected ${expected}`);
  }
  try {
    return { connection, given, header: header === undefined ? undefined : new Headers(header) };
  } catch (cause) {
    throw new TypeError(`returned metadata that a request can't carry: ${(cause as Error).message}`, { cause });
  }
}
