export { createWorkerEtcdRegistry, createWorkerTransport } from "../../../../src/workers.ts";
