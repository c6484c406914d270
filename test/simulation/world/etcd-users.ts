import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { Auth, Lease } from "../../../gen/etcd/rpc_pb.ts";
import { sleep } from "../../../src/time/backoff.ts";
import type { Plan } from "../plan/plan.ts";
import type { Process } from "./process.ts";

/** How long bcrypt keeps a core busy, at etcd's usual cost. */
const CHECK_MS = 100;
/** What etcd 3.4 does for anybody. */
const UNGUARDED: readonly unknown[] = [Lease.method.leaseKeepAlive, Lease.method.leaseTimeToLive];

/** Etcd's users, with its errors: a password gives a token, which expires when it isn't used. */
export class EtcdUsers {
  readonly #tokenTtlMs: number;
  readonly #checkMs: number;
  readonly #renewsForAll: boolean;
  readonly #usedMs = new Map<string, number>();
  #tokens = 0;
  password = "secret";

  constructor({ tokenTtlMs, checkMs = CHECK_MS, renewsForAll = false }: NonNullable<Plan["etcdUsers"]>) {
    this.#tokenTtlMs = tokenTtlMs;
    this.#checkMs = checkMs;
    this.#renewsForAll = renewsForAll;
  }

  /** As a restart does, or a change of a user. */
  forgetTokens(): void {
    this.#usedMs.clear();
  }

  /** Etcd's routes, for those who have a token. */
  guard(routes: (router: ConnectRouter) => void, { clock }: Process): (router: ConnectRouter) => void {
    // Passwords are checked one after another, and also for those who have gone.
    let freeMs = 0;
    const check: Interceptor = (next) => (request) => {
      if (this.#renewsForAll && UNGUARDED.includes(request.method)) return next(request);
      const token = request.header.get("token");
      if (token === null) throw new ConnectError("etcdserver: user name is empty", Code.InvalidArgument);
      const usedMs = this.#usedMs.get(token) ?? -Infinity;
      if (clock.now() > usedMs + this.#tokenTtlMs) {
        this.#usedMs.delete(token);
        throw new ConnectError("etcdserver: invalid auth token", Code.Unauthenticated);
      }
      this.#usedMs.set(token, clock.now());
      return next(request);
    };
    return (router) => {
      const service: ConnectRouter["service"] = (type, implementation, options = {}) =>
        type.typeName === Auth.typeName
          ? router
          : router.service(type, implementation, { ...options, interceptors: [check, ...options.interceptors ?? []] });
      routes({ ...router, service });
      router.service(Auth, {
        authenticate: async ({ name, password }, { signal }) => {
          freeMs = Math.max(freeMs, clock.now()) + this.#checkMs;
          await sleep(clock, freeMs - clock.now(), signal);
          signal.throwIfAborted();
          if (password !== this.password) {
            throw new ConnectError(
              "etcdserver: authentication failed, invalid user ID or password",
              Code.InvalidArgument,
            );
          }
          const token = `${name}.${this.#tokens++}`;
          this.#usedMs.set(token, clock.now());
          return { token };
        },
      });
    };
  }
}
