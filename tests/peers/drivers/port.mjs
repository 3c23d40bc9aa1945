// Loaded into a Node server before its own code (`node --import`): says on which port it really listens, so that it can be
// given any free one.
import { Server } from "node:net";

const { listen } = Server.prototype;

Server.prototype.listen = function (...given) {
  this.once("listening", () => console.error(`peers: port ${this.address().port}`));
  return listen.apply(this, given);
};
