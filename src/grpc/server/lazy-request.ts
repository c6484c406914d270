import type { Interceptor } from "@connectrpc/connect";
import type { CallContext } from "./context.ts";

type Request = Parameters<ReturnType<Interceptor>>[0];
type Members = { -readonly [K in keyof Request]: Request[K] | undefined };

/**
 * A request as interceptors see it. Most look at one or two members, and the others together would double the cost of a
 * small call, so some are created when they are first read. Behind a proxy there is a plain object, as Connect's is: it
 * can be spread, inherited from and written to. Getters would cost more than they save, as each object needs its own.
 */
export class LazyRequest implements ProxyHandler<Members> {
  readonly request: Request;
  readonly #context: CallContext;
  readonly #members: Members;

  constructor(context: CallContext, stream: boolean, message: Request["message"]) {
    this.#context = context;
    this.#members = {
      stream,
      message,
      method: context.method as Request["method"],
      requestMethod: context.requestMethod,
      url: undefined,
      signal: undefined,
      header: undefined,
      service: context.service,
      contextValues: undefined,
    };
    this.request = new Proxy(this.#members, this) as Request;
  }

  /** Whether its members, apart from the message, are still those of the call. */
  get unchanged(): boolean {
    const context = this.#context;
    const { service, header, signal, contextValues } = this.#members;
    return service === context.service &&
      (header === undefined || header === context.requestHeader) &&
      (signal === undefined || signal === context.signal) &&
      (contextValues === undefined || contextValues === context.values);
  }

  get(members: Members, name: keyof Members): unknown {
    return members[name] ?? this.#create(members, name);
  }

  getOwnPropertyDescriptor(members: Members, name: keyof Members): PropertyDescriptor | undefined {
    if (members[name] === undefined) this.#create(members, name);
    return Reflect.getOwnPropertyDescriptor(members, name);
  }

  #create(members: Members, name: keyof Members): unknown {
    switch (name) {
      case "url":
        return members.url = this.#context.url;
      case "signal":
        return members.signal = this.#context.signal;
      case "header":
        return members.header = this.#context.requestHeader;
      case "contextValues":
        return members.contextValues = this.#context.values;
      default:
        return undefined;
    }
  }
}
