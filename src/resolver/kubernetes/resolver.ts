import {
  checkOptions,
  type Checks,
  clock as aClock,
  kind,
  oneOf,
  random as aRandom,
  required,
  text,
} from "../../option.ts";
import { type Clock, systemClock } from "../../time/clock.ts";
import type { Resolution, Resolver } from "../resolver.ts";
import { EndpointSliceApi } from "./api.ts";
import { aCluster, aLabel, type KubernetesCluster } from "./cluster.ts";
import { Slices } from "./slices.ts";
import { SliceWatch } from "./watch.ts";

/** Options of {@link kubernetesResolver}. */
export interface KubernetesResolverOptions {
  /** The name of the Service, of any type; it needs no cluster IP. */
  readonly service: string;
  /** Its namespace. Defaults to the cluster's, in a pod the pod's own. */
  readonly namespace?: string;
  /**
   * The name of the port in the Service, or its number at the pods (the Service's `targetPort`). Defaults to the only
   * TCP port; if there are several, one must be named.
   */
  readonly port?: string | number;
  /**
   * Which addresses of a dual-stack service are used. Defaults to IPv4 addresses as long as there are usable ones, then
   * IPv6: each pod has both, and is one server.
   */
  readonly addressType?: "IPv4" | "IPv6";
  /**
   * The zone of this client. If the Service asks for topology-aware routing, so that all endpoints have hints, the
   * endpoints with a hint for this zone count as being in it, for `preferZone({ zone })`. Without it, and without hints,
   * an endpoint's zone is that of its node.
   */
  readonly zone?: string;
  /** How the API server is reached. Defaults to `inCluster()`: as from within a pod. */
  readonly cluster?: KubernetesCluster;
  /** The source of time. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a number in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS: Checks<KubernetesResolverOptions> = {
  service: required(aLabel),
  namespace: aLabel,
  port: kind('the name of a port, such as "grpc", or a number', (value) => {
    if (typeof value === "number") return Number.isInteger(value) && value > 0 && value < 65_536;
    return typeof value === "string" && value !== "";
  }),
  addressType: oneOf("IPv4", "IPv6"),
  zone: text,
  cluster: aCluster,
  clock: aClock,
  random: aRandom,
};

/**
 * The endpoints of a Kubernetes Service, from its EndpointSlices. `defaultCluster` is called if no cluster is given.
 *
 * @throws TypeError for an invalid option
 */
export function createKubernetesResolver(
  options: KubernetesResolverOptions,
  defaultCluster: () => KubernetesCluster,
): Resolver {
  checkOptions("kubernetesResolver()", options, OPTIONS);
  const { service, namespace, port, addressType, zone, clock = systemClock, random = Math.random } = options;
  const api = new EndpointSliceApi(options.cluster ?? defaultCluster(), service, namespace, clock);
  const slices = () => new Slices(service, { port, addressType, zone });
  let watch: SliceWatch | undefined;
  return {
    target: namespace === undefined ? service : `${service}.${namespace}`,
    scheme: "kubernetes",
    async *resolve(signal) {
      watch ??= new SliceWatch({ api, slices: slices(), clock, random }, () => watch = undefined);
      yield* watch.consume(signal);
    },
    async list(signal): Promise<Resolution> {
      const listed = slices();
      listed.replace((await api.list(signal)).slices);
      return { endpoints: listed.endpoints };
    },
    refresh: () => watch?.refresh(),
  };
}
