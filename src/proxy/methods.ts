import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { relayedMethod } from "../raw-method.ts";

/** How many methods are remembered: clients may make up any number. */
const MOST_METHODS = 1_000;

/** The methods that pass through a proxy, by path. */
export class RelayedMethods {
  readonly #idempotent: ReadonlySet<string>;
  readonly #byPath = new Map<string, DescMethod>();

  /** `idempotent`: paths of methods and of services. */
  constructor(idempotent: readonly string[]) {
    this.#idempotent = new Set(idempotent);
  }

  /** The method of a path. */
  of(path: string): DescMethod {
    const known = this.#byPath.get(path);
    if (known !== undefined) return known;
    const method = relayedMethod(path, this.isIdempotent(path) ? IDEMPOTENT : {});
    // The one that is known the longest leaves: usual ones come back at once.
    if (this.#byPath.size >= MOST_METHODS) {
      for (const first of this.#byPath.keys()) return this.#replace(first, path, method);
    }
    this.#byPath.set(path, method);
    return method;
  }

  #replace(first: string, path: string, method: DescMethod): DescMethod {
    this.#byPath.delete(first);
    this.#byPath.set(path, method);
    return method;
  }

  /** Whether calls may be repeated that a server may have processed. */
  isIdempotent(path: string): boolean {
    return this.#idempotent.has(path) || this.#idempotent.has(path.slice(0, path.lastIndexOf("/")));
  }
}

const IDEMPOTENT = { idempotency: MethodOptions_IdempotencyLevel.IDEMPOTENT } as const;
