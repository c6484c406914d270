/** The list of a large service, or a batch of a watch that catches up, can far exceed gRPC's usual 4 MiB. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;

/** An upper bound: callers with a shorter timeout stop waiting earlier. */
const CONNECT_TIMEOUT_MS = 10_000;

/** The options of gRPC links to etcd. */
export function etcdLinkOptions(
  { requestTimeoutMs = CONNECT_TIMEOUT_MS }: { readonly requestTimeoutMs?: number | undefined },
): {
  connectTimeoutMs: number;
  keepalive: { timeoutMs: number };
  readMaxBytes: number;
  limits: { streamWindowBytes: number };
} {
  return {
    connectTimeoutMs: Math.max(CONNECT_TIMEOUT_MS, requestTimeoutMs),
    // An etcd whose cores are busy hashing passwords answers pings late.
    keepalive: { timeoutMs: 20_000 },
    readMaxBytes: MAX_ANSWER_BYTES,
    // Fixed: etcd counts pings that arrive within 5 s of each other, including those that probe the bandwidth.
    limits: { streamWindowBytes: 1024 * 1024 },
  };
}
