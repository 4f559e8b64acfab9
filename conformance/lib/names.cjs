// Loaded before a program (node --require): all names of a domain are this machine, as a line in /etc/hosts would have it.
const dns = require("node:dns");

const domain = "." + process.env.NAMES_OF_THIS_MACHINE;
const lookup = dns.lookup;

dns.lookup = function (hostname, options, callback) {
  if (typeof hostname === "string" && hostname.endsWith(domain)) {
    return lookup(process.env.ADDRESS_OF_THIS_MACHINE ?? "127.0.0.1", options, callback);
  }
  return lookup(hostname, options, callback);
};
