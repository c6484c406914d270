export { createBalancedTransport } from "../../../../src/index.ts";
export { kubernetesResolver } from "../../../../src/kubernetes.ts";
export { grpcConnector } from "../../../../src/node.ts";
