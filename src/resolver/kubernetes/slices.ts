import type { Endpoint } from "../../endpoint.ts";
import { shownText } from "../../shown-text.ts";
import { ADDRESS_TYPES, type AddressType, type EndpointSlice, type SliceEndpoint } from "./endpoint-slice.ts";

/** What of a service's slices is used. */
export interface SliceSelection {
  /** The port's name in the Service, or its number at the pods. */
  readonly port: string | number | undefined;
  /** The kind of addresses of a dual-stack service. */
  readonly addressType: AddressType | undefined;
  /** The zone of this client. */
  readonly zone: string | undefined;
}

/** An endpoint of one of the slices, with its port. */
interface Candidate extends SliceEndpoint {
  readonly type: AddressType;
  readonly address: string;
}

/** The slices of one service, joined. */
export class Slices {
  readonly #service: string;
  readonly #selection: SliceSelection;
  #slices = new Map<string, EndpointSlice>();

  constructor(service: string, selection: SliceSelection) {
    this.#service = service;
    this.#selection = selection;
  }

  replace(slices: readonly EndpointSlice[]): void {
    this.#slices = new Map(slices.map((slice) => [slice.name, slice]));
  }

  set(slice: EndpointSlice): void {
    this.#slices.set(slice.name, slice);
  }

  delete(slice: EndpointSlice): void {
    this.#slices.delete(slice.name);
  }

  /**
   * The service's endpoints: those that are ready, or if none is, those that still serve while they terminate, as
   * kube-proxy does it.
   *
   * @throws Error if it is not clear which port is meant
   */
  get endpoints(): readonly Endpoint[] {
    const candidates = this.#candidates();
    const usable = preferred(candidates, ({ ready }) => ready) ?? preferred(candidates, ({ serving }) => serving) ?? [];
    const hinted = this.#hinted(usable);
    return usable.map((candidate) => endpointOf(candidate, hinted));
  }

  /** All that the slices have, each address once: one may be in two slices while it moves from one to the other. */
  #candidates(): readonly Candidate[] {
    const { addressType } = this.#selection, found = new Map<string, Candidate>();
    const portOf = this.#portOf();
    for (const slice of this.#slices.values()) {
      const { addressType: type } = slice, port = portOf(slice);
      if (type === undefined || port === undefined || (addressType ?? type) !== type) continue;
      for (const endpoint of slice.endpoints) {
        const address = `${type === "IPv6" ? `[${endpoint.host}]` : endpoint.host}:${port}`, known = found.get(address);
        if (known !== undefined && rank(known) >= rank(endpoint)) continue;
        found.set(address, { ...endpoint, type, address });
      }
    }
    return [...found.values()];
  }

  /** A function that returns the port's number at the endpoints of a slice, which may differ between slices. */
  #portOf(): (slice: EndpointSlice) => number | undefined {
    const { port: wanted } = this.#selection;
    const ports = [...this.#slices.values()].flatMap(({ ports }) => ports);
    const names = [...new Set(ports.map(({ name, port }) => name === "" ? String(port) : name))];
    const listed = names.map((name) => shownText(name)).join(", ");
    if (wanted === undefined) {
      if (names.length > 1) {
        throw new Error(`the service ${this.#service} has several ports, ${listed}: name one with the option port`);
      }
      return ({ ports }) => ports[0]?.port;
    }
    const is = typeof wanted === "number"
      ? ({ port }: { port: number }) => port === wanted
      : ({ name }: { name: string }) => name === wanted;
    if (ports.length > 0 && !ports.some(is)) {
      throw new Error(`the service ${this.#service} has no port ${wanted}: it has ${listed}`);
    }
    return ({ ports }) => ports.find(is)?.port;
  }

  /** The zone whose hints count: only if all endpoints have hints, and some are for this client's zone. */
  #hinted(usable: readonly Candidate[]): string | undefined {
    const { zone } = this.#selection;
    if (zone === undefined || usable.some(({ forZones }) => forZones.length === 0)) return undefined;
    return usable.some(({ forZones }) => forZones.includes(zone)) ? zone : undefined;
  }
}

/** Those that pass, of one kind of addresses: a dual-stack service has each pod twice. Undefined if there are none. */
function preferred(candidates: readonly Candidate[], is: (candidate: Candidate) => boolean): Candidate[] | undefined {
  const passing = candidates.filter(is);
  const type = ADDRESS_TYPES.find((type) => passing.some((candidate) => candidate.type === type));
  return type === undefined ? undefined : passing.filter((candidate) => candidate.type === type);
}

/** Of two slices that have an address, the one where it is further in its life's good part is newer, or as good. */
function rank({ ready, serving }: SliceEndpoint): number {
  return ready ? 2 : serving ? 1 : 0;
}

/** `hinted`: the zone of this client, if hints say which endpoints it should use. */
function endpointOf({ address, forZones, zone, node, pod }: Candidate, hinted: string | undefined): Endpoint {
  const place = hinted === undefined ? zone : forZones.includes(hinted) ? hinted : forZones[0];
  const metadata = {
    ...pod?.name !== undefined && { pod: pod.name },
    ...node !== undefined && { node },
  };
  return {
    address,
    ...place !== undefined && { zone: place },
    ...pod?.uid !== undefined && { incarnation: pod.uid },
    ...Object.keys(metadata).length > 0 && { metadata },
  };
}
