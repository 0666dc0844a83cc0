import Logging
import Operations
import Routing
import Testing
import Topology

@testable import Proxy

/// Commands that come while another process takes over: what is answered `ok` holds there, too.
@Suite struct OrdersInHandOverTests {
  /// A control thread's state for a relay R with the server A.
  private func made() throws -> Control {
    var server = RelayServer(name: "A")
    server.address = Located(.ipv4(0x7F00_0001, port: 9))
    var relay = Relay(name: "R")
    relay.servers = [server]
    var topology = Topology(name: "net")
    topology.relays = [relay]
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let generation = try Generation(
      plan: try topology.plan(for: "R"), process: ProcessShared(), options: NodeOptions(), before: nil, logger: logger)
    return try Control(generation: generation, signals: -1, notifier: nil, logger: logger)
  }

  private func answer(_ control: inout Control, _ line: String) throws -> AdminReply? {
    let ticket = AdminMailbox.Ticket(try AdminCommand(parsing: line))
    control.shared.administration.post(ticket)
    control.takeCommands()
    return ticket.take()
  }

  @Test func `An order after the state has been told is refused, and done when the hand-over comes to nothing`() throws
  {
    var control = try made()
    let first = try answer(&control, "drain A")
    #expect(first == .done("A: its own users only"))
    control.hasToldState = true
    for order in ["ready A", "maintain A", "drain R"] {
      let reply = try answer(&control, order)
      #expect(reply == .refused(AdminReply.takenOver))
    }
    let told = control.health[0][0].enabled
    #expect(told == .drain, "what the other process was told of it")
    control.hasToldState = false
    let last = try answer(&control, "ready A")
    let state = control.health[0][0].enabled
    #expect(last == .done("A: all users") && state == .ready)
  }

  @Test func `Who has been taken over from carries nothing out any more`() throws {
    var control = try made()
    control.isHandedOver = true
    for command in ["drain A", "status", "reload", "pause", "resume"] {
      let reply = try answer(&control, command)
      #expect(reply == .refused(AdminReply.takenOver), "\(command)")
    }
    let state = control.health[0][0].enabled
    #expect(state == .ready)
  }
}
