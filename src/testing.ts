/**
 * An etcd in memory, for development and tests without a real one.
 *
 * Within the process, it is reached through a connector:
 * `createEtcdRegistry({ endpoints: ["memory:1"], connector: transportConnector(() => etcd.transport()) })`. For other
 * processes and `etcdctl`, serve its `routes` on a port, as examples/etcd.ts does. It is a single member without
 * authentication whose data is lost when the process ends: not a replacement for etcd.
 *
 * `createMemoryRegistry()` is a registry without etcd, within one process.
 *
 * @module
 */
export { createMemoryEtcd, type MemoryEtcd, type MemoryEtcdOptions } from "./memory-etcd/memory-etcd.ts";
export { createMemoryRegistry, type MemoryRegistryOptions } from "./registry/memory.ts";
export { type Clock, type Timer } from "./time/clock.ts";
