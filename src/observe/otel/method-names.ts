import type { DescMethod } from "@bufbuild/protobuf";
import { isRawMethod } from "../../raw-method.ts";

/** How many methods have series of their own, per transport or server. */
const MOST_METHODS = 500;

/** The name of all methods without series of their own (gRFC A66). */
export const OTHER = "other";

/** Whether the name of a method without a schema may be shown, instead of `other`. */
export type MethodFilter = (method: string) => boolean;

/** The full name of a method, as in `grpc.method`; `other` for one without a schema that the filter does not let pass. */
export function methodName(method: DescMethod | undefined, filter: MethodFilter | undefined): string {
  if (method === undefined) return OTHER;
  const name = `${method.parent.typeName}/${method.name}`;
  return !isRawMethod(method) || filter?.(name) === true ? name : OTHER;
}

/** State by the name of a method. Names may come from others, so that they are bounded: what is more is `other`. */
export class ByMethod<T> {
  readonly #make: (name: string) => T;
  readonly #filter: MethodFilter | undefined;
  readonly #byName = new Map<string, T>();
  #byMethod = new WeakMap<DescMethod, T>();
  // Programs call the same method again and again.
  #last: DescMethod | undefined;
  #lastState: T | undefined;

  constructor(filter: MethodFilter | undefined, make: (name: string) => T) {
    this.#filter = filter;
    this.#make = make;
  }

  of(method: DescMethod | undefined): T {
    if (method === undefined) return this.#named(OTHER);
    if (method === this.#last) return this.#lastState!;
    let state = this.#byMethod.get(method);
    if (state === undefined) this.#byMethod.set(method, state = this.#named(methodName(method, this.#filter)));
    this.#last = method;
    this.#lastState = state;
    return state;
  }

  #named(name: string): T {
    let state = this.#byName.get(name);
    if (state !== undefined) return state;
    if (name !== OTHER && this.#byName.size >= MOST_METHODS) return this.#named(OTHER);
    this.#byName.set(name, state = this.#make(name));
    return state;
  }
}
