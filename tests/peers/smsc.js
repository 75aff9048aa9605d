// An SMSC made of node-smpp, which knows nothing of the portal: argv[2] is where its modules lie.
// A number that ends in 9 is throttled, one that ends in 8 unknown; 3 of 100 are not reached.
"use strict";
const smpp = require(process.argv[2] + "/smpp");

let count = 0;
const server = smpp.createServer({}, (session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => {
    const known = pdu.system_id === "vote" && pdu.password === "pw";
    session.send(pdu.response({ command_status: known ? 0 : smpp.ESME_RBINDFAIL }));
    if (!known) session.close();
  });
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on("submit_sm", (pdu) => {
    const to = pdu.destination_addr;
    if (to.endsWith("9")) {
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    if (to.endsWith("8")) {
      session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
      return;
    }
    const id = "n" + (count += 1).toString(16);
    session.send(pdu.response({ message_id: id }));
    const message = pdu.short_message;
    const part = {
      to,
      id,
      text: message.message,
      udh: message.udh ? Buffer.concat(message.udh).toString("hex") : "",
    };
    process.stdout.write(JSON.stringify(part) + "\n");
    if (!pdu.registered_delivery) return;
    const state = to.endsWith("13") ? "UNDELIV" : "DELIVRD";
    setTimeout(() => session.deliver_sm({
      source_addr: to,
      destination_addr: pdu.source_addr,
      esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
      short_message: { message: `id:${id} sub:001 dlvrd:001 submit date:2611221005 ` +
        `done date:2611221006 stat:${state} err:000 text:` },
    }), 30);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n");
});
