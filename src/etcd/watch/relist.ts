import type { WatchResponse } from "../driver/driver.ts";
import { EtcdError, kindOfText } from "../driver/failure.ts";

/** The history that a watch follows can't be continued: the list must be read again. */
export class Relist extends Error {
  override readonly name = "Relist";
}

/**
 * Why etcd canceled a watch. Only the text shows that the user was refused; anything else means that the history can't
 * be continued.
 */
export function cancellation({ compactRevision, cancelReason }: WatchResponse): Error {
  const kind = kindOfText(cancelReason);
  if (kind === "token" || kind === "refused") return new EtcdError(`etcd refused the watch: ${cancelReason}`, kind);
  if (compactRevision > 0n) return new Relist(`etcd has compacted its history up to revision ${compactRevision}`);
  return new Relist(`etcd canceled the watch: ${cancelReason || "it gave no reason"}`);
}
