/**
 * Endpoints of Kubernetes Services, for Node, Bun and Deno: watched as EndpointSlices, without a DNS in between and
 * without a client library.
 *
 * ```ts
 * import { createBalancedTransport } from "connect-lb";
 * import { kubernetesResolver } from "connect-lb/kubernetes";
 * import { grpcConnector } from "connect-lb/node";
 *
 * const resolver = kubernetesResolver({ service: "simple-grpc", port: "grpc" });
 * const transport = createBalancedTransport({ resolver, connector: grpcConnector() });
 * ```
 *
 * @module
 */
import { inCluster } from "./node/in-cluster.ts";
import { createKubernetesResolver, type KubernetesResolverOptions } from "./resolver/kubernetes/resolver.ts";
import type { Resolver } from "./resolver/resolver.ts";

/**
 * The endpoints of a Kubernetes Service: `kubernetesResolver({ service: "simple-grpc" })` in a pod. Its service account
 * needs a Role that allows `get`, `list` and `watch` on `endpointslices` of the API group `discovery.k8s.io`.
 *
 * Pods that are ready are the endpoints; if there is none, those that still serve while they terminate. The slices are
 * listed and then watched; while the API server can't be reached, the last set stays in use, marked as stale. Each
 * endpoint has its node's zone, its pod's uid as incarnation, and `metadata: { pod, node }`.
 *
 * @throws TypeError for an invalid option; Error if no cluster is given and this is not a pod
 */
export function kubernetesResolver(options: KubernetesResolverOptions): Resolver {
  return createKubernetesResolver(options, inCluster);
}

export { inCluster, type InClusterOptions } from "./node/in-cluster.ts";
export type { KubernetesResolverOptions } from "./resolver/kubernetes/resolver.ts";
export type { KubernetesCluster } from "./resolver/kubernetes/cluster.ts";
