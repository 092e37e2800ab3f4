// @ts-check
/** Connects without a certificate, which is refused, and with the one that the server made for us. */
import { connect } from "openline";
import { readCertificate } from "./certificates.js";

const url = `wss://localhost:${process.env.CERTIFICATE_PORT ?? 9999}/`;
const { ca, cert, key } = readClient();

function readClient() {
  try {
    return readCertificate("client");
  } catch {
    console.error("There are no certificates yet. Start the server first, it makes them: npm start");
    process.exit(1);
  }
}

for (const tls of [{ ca }, { ca, cert, key }]) {
  try {
    const connection = await connect(url, { tls });
    for await (const data of connection) {
      console.log(`With a certificate: ${data}`);
      connection.close();
    }
  } catch (error) {
    console.log(`${tls.cert ? "With" : "Without"} a certificate: ${/** @type {Error} */ (error).message}`);
  }
}
