import type { Happening } from "./describe-event.ts";
import type { EndpointRow, PageState, RegistrationRow, ServiceRow } from "./state.ts";

/** What happened between two states, in words. */
export function changesBetween(before: PageState, after: Omit<PageState, "events">): readonly Happening[] {
  const happened: Happening[] = [];
  for (const id in after.services) {
    const was = before.services[id], is = after.services[id]!;
    if (was !== undefined) happened.push(...ofService(was, is));
  }
  for (const id in after.endpoints) {
    const was = before.endpoints[id], is = after.endpoints[id]!;
    const { target: service = "", known = false } = before.services[is.service] ?? {};
    const on = at(service, is.address);
    if (was !== undefined) happened.push(...ofEndpoint(was, is, on));
    else if (known) happened.push(on("joined", "note"));
  }
  for (const id in before.endpoints) {
    const was = before.endpoints[id]!, service = after.services[was.service];
    if (after.endpoints[id] === undefined && service !== undefined) {
      happened.push(at(service.target, was.address)("left", "bad"));
    }
  }
  for (const id in after.registrations) {
    happened.push(...ofRegistration(before.registrations[id], after.registrations[id]!));
  }
  return happened;
}

type On = (text: string, level: Happening["level"]) => Happening;

function at(service: string, subject: string, of: Happening["of"] = "transport"): On {
  return (text, level) => ({ of, service, subject, text, level });
}

function ofService(was: ServiceRow, is: ServiceRow): Happening[] {
  const on = at(is.target, ""), happened: Happening[] = [];
  if (was.stale === null && is.stale !== null) {
    happened.push(on(`the source of endpoints can't be reached: ${is.stale}`, "bad"));
  }
  if (was.stale !== null && is.stale === null) {
    happened.push(on("the source of endpoints can be reached again", "good"));
  }
  if (!was.panic && is.panic) happened.push(on("panic: health is ignored, too few endpoints are left", "bad"));
  if (was.panic && !is.panic) happened.push(on("the panic is over", "good"));
  return happened;
}

function ofEndpoint(was: EndpointRow, is: EndpointRow, on: On): Happening[] {
  const happened: Happening[] = [];
  if (was.state !== is.state && is.state === "ready") happened.push(on("connected", "good"));
  if (was.state !== is.state && is.state === "transient_failure") {
    happened.push(on(is.lastError === null ? "failing" : `failing: ${is.lastError}`, "bad"));
  }
  if (was.ejectedForS === null && is.ejectedForS !== null) {
    happened.push(on(`ejected for ${is.ejectedForS} s: ${is.health}`, "bad"));
  } else if (!heldBack(was) && heldBack(is)) {
    happened.push(on(is.health === "unknown" ? "health is not known yet" : `held back: ${is.health}`, "bad"));
  }
  if (heldBack(was) && is.state === "ready" && !heldBack(is)) happened.push(on("healthy", "good"));
  return happened;
}

/** Whether its health keeps calls off an endpoint that is connected. */
function heldBack({ available, health, state }: EndpointRow): boolean {
  return state === "ready" && (health === "unknown" ? !available : health !== "serving");
}

function ofRegistration(was: RegistrationRow | undefined, is: RegistrationRow): Happening[] {
  if (was === undefined || was.state === is.state) return [];
  const level = is.state === "registered" ? "good" : is.state === "closed" ? "note" : "bad";
  const why = is.lastError === null || level !== "bad" ? "" : `: ${is.lastError}`;
  return [at(is.service, is.address, "registry")(`registration is ${is.state}${why}`, level)];
}
