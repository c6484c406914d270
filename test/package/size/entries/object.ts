export { createBalancerObject, createObjectEtcdRegistry, objectTransport } from "../../../../src/workers.ts";
