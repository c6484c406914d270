// Durable Objects in this process, for tests of what runs in them.
import type { BalancerObject, BalancerObjectClass, ObjectNamespace, ObjectStub } from "../../src/workers.ts";

/** A binding to objects of one class, whose evictions and alarms are the test's. */
export interface FakeObjects {
  readonly namespace: ObjectNamespace<string>;
  /** The requests that were sent to objects. */
  readonly requests: Request[];
  /** The names of the objects that there are. */
  readonly names: string[];
  /** What an object has stored. */
  stored(name: string): Map<string, unknown>;
  /** In how many milliseconds an object's alarm is due; undefined: none is set. */
  alarmInMs(name: string): number | undefined;
  /** Runs the alarm that is set. */
  alarm(name: string): Promise<void>;
  /** All objects lose what they have in memory. */
  evict(): void;
}

export function fakeObjects<Env>(Kind: BalancerObjectClass<Env>, env: Env): FakeObjects {
  const objects = new Map<string, BalancerObject>();
  const storages = new Map<string, Map<string, unknown>>();
  const alarms = new Map<string, number>();
  const requests: Request[] = [];
  const stored = (name: string) => {
    const found = storages.get(name) ?? new Map<string, unknown>();
    storages.set(name, found);
    return found;
  };
  const objectOf = (name: string): BalancerObject => {
    let object = objects.get(name);
    if (object === undefined) {
      const map = stored(name);
      const storage = {
        put: (key: string, value: unknown) => Promise.resolve(void map.set(key, structuredClone(value))),
        delete: (key: string) => Promise.resolve(map.delete(key)),
        list: <T>({ prefix }: { prefix: string }) =>
          Promise.resolve(new Map([...map].filter(([key]) => key.startsWith(prefix)) as [string, T][])),
        setAlarm: (atMs: number) => Promise.resolve(void alarms.set(name, atMs)),
      };
      objects.set(name, object = new Kind({ storage }, env));
    }
    return object;
  };
  const stub = (name: string): ObjectStub => ({
    fetch(url, init) {
      const request = new Request(url, init);
      requests.push(request);
      return objectOf(name).fetch(request);
    },
  });
  return {
    namespace: { idFromName: (name) => name, get: stub },
    requests,
    get names() {
      return [...storages.keys()];
    },
    stored,
    alarmInMs: (name) => alarms.has(name) ? alarms.get(name)! - Date.now() : undefined,
    async alarm(name) {
      alarms.delete(name);
      await objectOf(name).alarm();
    },
    evict: () => objects.clear(),
  };
}
