import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type ConnectRouter, createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import {
  Auth,
  KV,
  Lease,
  Maintenance,
  PutRequestSchema,
  type ResponseHeader,
  ResponseHeaderSchema,
  TxnRequestSchema,
  Watch,
} from "../../gen/etcd/rpc_pb.ts";
import { checkOptions, type Checks, clock as aClock, random as aRandom, wholeNumber } from "../option.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { etcdError } from "./error.ts";
import { bytesOf, keyRange } from "./key-range.ts";
import { checkPut, checkPutApplies, checkRange, deleteRange, put, range } from "./kv.ts";
import { Leases } from "./lease.ts";
import { Store } from "./store.ts";
import { txn } from "./txn.ts";
import { WatchStream } from "./watch-stream.ts";

/** The version reported to `etcdctl endpoint status`: that of the etcd whose behaviour it follows. */
const VERSION = "3.4.23+memory";
/** etcd's default for `--max-request-bytes`. */
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
/** A single member is elected only once. */
const RAFT_TERM = 2n;

/** Options of {@link createMemoryEtcd}. */
export interface MemoryEtcdOptions {
  /** The clock for leases. Defaults to the runtime's monotonic clock. */
  readonly clock?: Clock;
  /**
   * The minimum number of newest revisions that can be read and watched; older ones are compacted from time to time.
   * Defaults to 10,000. etcd's counterpart is `--auto-compaction-mode=revision --auto-compaction-retention=…`.
   */
  readonly keepRevisions?: number;
  /** Returns a number in [0, 1), for the ids of cluster, member and leases. Defaults to the runtime's cryptography. */
  readonly random?: () => number;
}

const OPTIONS: Checks<MemoryEtcdOptions> = { clock: aClock, keepRevisions: wholeNumber(1), random: aRandom };

/** An etcd in memory, for development and tests; see {@link createMemoryEtcd}. */
export interface MemoryEtcd extends AsyncDisposable {
  /**
   * Adds etcd's services to a Connect router, to serve them on a port: `createGrpcServer({ routes: etcd.routes })` of
   * `connect-lb/server`. Then `etcdctl` and every other client of etcd's gRPC API can use it.
   */
  readonly routes: (router: ConnectRouter) => void;
  /** A transport that reaches it within the process, without a port. */
  transport(): Transport;
  /**
   * Ends its watches and timers; later calls fail with `Unavailable`, "etcdserver: server stopped". Safe to call twice.
   */
  close(): Promise<void>;
}

/**
 * Creates an etcd in memory, **for development and tests**: a single member without authentication that forgets
 * everything when the process ends. It is no replacement for etcd.
 *
 * It serves etcd's v3 gRPC API as far as service discovery needs it, with etcd 3.4's answers and errors: Range, Put,
 * DeleteRange, Txn and Compact; Watch with start revisions, compaction, filters, fragments and progress; leases that
 * expire; Maintenance.Status, and Maintenance.Alarm, which never reports one. Auth answers that authentication is not
 * enabled; other services and the JSON gateway are missing. As with etcd's defaults, TTLs are at least 2 seconds.
 *
 * @throws TypeError or RangeError for an invalid option; the message names it and its value.
 */
export function createMemoryEtcd(options: MemoryEtcdOptions = {}): MemoryEtcd {
  checkOptions("createMemoryEtcd()", options, OPTIONS);
  const { clock = systemClock, keepRevisions = 10_000, random } = options;
  const randomId = () => random === undefined ? cryptoId() : BigInt(Math.floor(random() * 2 ** 53));
  const store = new Store(keepRevisions);
  const leases = new Leases(store, clock, randomId);
  const exists = (id: bigint) => leases.has(id);
  const closed = new AbortController();

  // Chosen at the first call. A new instance is another cluster, which clients recognise by its id.
  let ids: { clusterId: bigint; memberId: bigint } | undefined;
  const header = (revision: bigint): ResponseHeader => {
    if (ids === undefined) {
      ids = { clusterId: randomId(), memberId: randomId() };
    }
    return create(ResponseHeaderSchema, { ...ids, revision, raftTerm: RAFT_TERM });
  };
  const now = () => header(store.revision);
  const refuseWhenClosed = () => {
    if (closed.signal.aborted) throw etcdError("stopped");
  };
  const whileOpen: { interceptors: Interceptor[] } = {
    interceptors: [(next) => (request) => {
      refuseWhenClosed();
      return next(request);
    }],
  };

  const routes = (router: ConnectRouter): void => {
    router.service(KV, {
      range(request) {
        checkRange(request);
        return { ...range(store, request, store.revision), header: now() };
      },
      put(request) {
        checkPut(request);
        checkSize(PutRequestSchema, request);
        checkPutApplies(store, exists, request);
        const answer = store.write((write) => put(store, write, request));
        return { ...answer, header: now() };
      },
      deleteRange(request) {
        checkRange(request);
        const answer = store.write((write) => deleteRange(write, request));
        return { ...answer, header: now() };
      },
      txn(request) {
        checkSize(TxnRequestSchema, request);
        const answer = txn(store, exists, request);
        return { ...answer, header: now() };
      },
      compact(request) {
        store.compact(request.revision);
        return { header: now() };
      },
    }, whileOpen);

    router.service(Watch, {
      async *watch(requests, context) {
        yield* new WatchStream(store, clock, header).run(requests, AbortSignal.any([context.signal, closed.signal]));
        refuseWhenClosed();
      },
    }, whileOpen);

    router.service(Lease, {
      leaseGrant(request) {
        const { id, ttlSeconds } = leases.grant(request.ID, request.TTL);
        return { header: now(), ID: id, TTL: ttlSeconds };
      },
      leaseRevoke(request) {
        leases.revoke(request.ID);
        return { header: now() };
      },
      async *leaseKeepAlive(requests) {
        for await (const { ID } of requests) {
          refuseWhenClosed();
          // The header predates the renewal: a keepalive must not seem to have succeeded after a revocation.
          const before = now();
          yield { header: before, ID, TTL: leases.renew(ID) };
        }
      },
      leaseTimeToLive({ ID, keys }) {
        const left = leases.timeToLive(ID);
        if (left === undefined) return { header: now(), ID, TTL: -1n };
        return {
          header: now(),
          ID,
          TTL: left.ttlSeconds,
          grantedTTL: left.grantedSeconds,
          keys: keys ? left.keys.map(bytesOf) : [],
        };
      },
      leaseLeases: () => ({ header: now(), leases: leases.list().map((ID) => ({ ID })) }),
    }, whileOpen);

    router.service(Auth, {
      authenticate() {
        throw etcdError("authNotEnabled");
      },
    }, whileOpen);

    router.service(Maintenance, {
      // `etcdctl endpoint health` of etcd 3.5 and newer queries the alarms.
      alarm: () => ({ header: now() }),
      status() {
        const all = store.read(keyRange(new Uint8Array(1), new Uint8Array(1)));
        const member = now();
        return {
          header: member,
          version: VERSION,
          dbSize: BigInt(all.reduce((bytes, kv) => bytes + kv.key.length + kv.value.length, 0)),
          leader: member.memberId,
          raftIndex: store.revision,
          raftTerm: RAFT_TERM,
        };
      },
    }, whileOpen);
  };

  const close = async (): Promise<void> => {
    closed.abort();
    leases.close();
  };
  return {
    routes,
    transport: () => createRouterTransport(routes),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checkSize<S extends DescMessage>(schema: S, request: MessageShape<S>): void {
  if (toBinary(schema, request).length > MAX_REQUEST_BYTES) throw etcdError("requestTooLarge");
}

function cryptoId(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}
