import type { DescMethod } from "@bufbuild/protobuf";

/** Names can come from others, for example from the clients of a relay. */
const MOST_METHODS = 1_000;

/**
 * State by the name of a method, so that descriptions of the same method share it (`rawMethod` may make one for each
 * call). Of more than 1,000 methods, the oldest is forgotten.
 */
export class PerMethod<T> {
  readonly #make: () => T;
  readonly #byMethod = new WeakMap<DescMethod, T>();
  readonly #byName = new Map<string, T>();

  constructor(make: () => T) {
    this.#make = make;
  }

  of(method: DescMethod): T {
    let state = this.#byMethod.get(method);
    if (state === undefined) {
      this.#byMethod.set(method, state = this.#named(`${method.parent.typeName}/${method.name}`));
    }
    return state;
  }

  #named(name: string): T {
    let state = this.#byName.get(name);
    if (state === undefined) {
      if (this.#byName.size >= MOST_METHODS) this.#byName.delete(this.#byName.keys().next().value!);
      this.#byName.set(name, state = this.#make());
    }
    return state;
  }
}
