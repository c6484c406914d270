/** Thrown by a session's waits when the client has ended the connection: a scenario may just let it through. */
export class ClientLeft extends Error {
  override name = "ClientLeft";
}
