import type { Timer } from "../time/clock.ts";

/** Whether a connection's endpoint is in the set. */
export type Membership =
  | { readonly is: "in the set" }
  /** It was removed while attempts are in flight, and can be restored until `close`. */
  | { readonly is: "draining"; readonly close: () => void; timer: Timer | undefined }
  | { readonly is: "closed" };

export const IN_SET: Membership = { is: "in the set" };
