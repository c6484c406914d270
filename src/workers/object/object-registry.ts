import { Code, ConnectError } from "@connectrpc/connect";
import { checkOptions, type Checks, text } from "../../option.ts";
import { checkNamespace, objectNamed, type ObjectNamespace } from "./platform.ts";
import { DEREGISTER_PATH, REGISTER_PATH } from "./protocol.ts";
import type { EntryName, ObjectRegisterOptions } from "./registrations.ts";

/** Options of {@link objectRegistry}. */
export interface ObjectRegistryOptions {
  /** The object's name. Defaults to the service's. */
  readonly name?: string;
}

/** Registers servers through a Durable Object, which keeps them registered. */
export interface ObjectRegistry {
  /**
   * Registers a server, and keeps it registered until `deregister`, whether or not a Worker runs. Registering again
   * changes the TTL or the attributes. Resolves when the entry exists.
   *
   * @throws ConnectError InvalidArgument for an invalid option; Unavailable if the entry could not be written within
   * 10 s: the object keeps trying. (Both are rejections.)
   */
  register(options: ObjectRegisterOptions): Promise<void>;
  /**
   * Removes an entry that was registered through this object. Rejects with Unavailable if that was not possible: then
   * the entry expires.
   */
  deregister(of: EntryName): Promise<void>;
}

const OPTIONS: Checks<ObjectRegistryOptions> = { name: text };

/**
 * Registers servers through a Durable Object of `createBalancerObject`.
 *
 * @throws TypeError for a missing binding or an invalid option.
 */
export function objectRegistry<Id>(
  namespace: ObjectNamespace<Id>,
  options: ObjectRegistryOptions = {},
): ObjectRegistry {
  checkNamespace("objectRegistry()", namespace);
  checkOptions("objectRegistry()", options, OPTIONS);
  const send = async (path: string, given: EntryName): Promise<void> => {
    const object = objectNamed(namespace, options.name ?? given.service);
    const response = await object.fetch(`http://balancer.object${path}`, {
      method: "POST",
      body: JSON.stringify(given),
    });
    const why = await response.text();
    if (response.status === 204) return;
    throw new ConnectError(why, response.status === 400 ? Code.InvalidArgument : Code.Unavailable);
  };
  return {
    register: (given) => send(REGISTER_PATH, given),
    deregister: ({ service, address }) => send(DEREGISTER_PATH, { service, address }),
  };
}
