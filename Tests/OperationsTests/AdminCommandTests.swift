import Operations
import Routing
import Testing

@Suite struct AdminCommandTests {
  @Test(arguments: [
    ("help", AdminCommand.help),
    ("reload", .reload),
    ("pause", .pause),
    (" resume ", .resume),
    ("status", .status(asJSON: false)),
    ("status json", .status(asJSON: true)),
    ("ready W11", .order(AdminOrder(.ready, target: "W11"))),
    ("  maintain   W11  ", .order(AdminOrder(.maintenance, target: "W11"))),
    ("drain W11 for 30s", .order(AdminOrder(.drain, target: "W11", deadline: .after(.seconds(30))))),
    ("drain W11 until 1790000000", .order(AdminOrder(.drain, target: "W11", deadline: .at(1_790_000_000)))),
    (
      "drain W11 application shop for 250ms because new release  7",
      .order(
        AdminOrder(
          .drain, target: "W11", application: "shop", deadline: .after(.milliseconds(250)), reason: "new release 7"))
    ),
  ])
  func linesAreUnderstood(line: String, expected: AdminCommand) throws {
    let command = try AdminCommand(parsing: line)
    #expect(command == expected)
    #expect(try AdminCommand(parsing: command.line) == expected)
  }

  @Test(arguments: [
    ("", "the line is empty; try \"help\""),
    ("   ", "the line is empty; try \"help\""),
    ("drian W11", "unknown command \"drian\"; did you mean \"drain\"?"),
    ("shutdown", "unknown command \"shutdown\"; try \"help\""),
    ("drain", "drain what? Name a server, or the node itself"),
    ("drain ../etc", "\"../etc\" is not a name"),
    ("drain W11 for", "\"for\" needs a value, or is unknown"),
    ("drain W11 quickly please", "unexpected \"quickly\"; possible are: for, until, application, because"),
    ("drain W11 until yesterday", "\"yesterday\" is no time in seconds since 1970"),
    ("drain W11 until -5", "\"-5\" is no time in seconds since 1970"),
    ("drain W11 until 1099511627776", "\"1099511627776\" is no time in seconds since 1970"),
    ("drain W11 for 1s until 5", "two deadlines"),
    ("ready W11 for 1s", "only a drain has a deadline"),
    ("ready W11 because", "because of what?"),
    ("ready W11 application a application b", "\"application\" stands there twice"),
    ("status xml", "unexpected \"xml\""),
    ("help me", "unexpected \"me\""),
    ("pause N", "unexpected \"N\""),
    ("resum", "unknown command \"resum\"; did you mean \"resume\"?"),
    ("ready W11\u{1}", "the line has characters that are no text"),
    (String(repeating: "x", count: 1025), "the line is longer than 1024 bytes"),
  ])
  func whatIsNoCommandIsExplained(line: String, expected: String) {
    #expect(throws: AdminError(expected)) { try AdminCommand(parsing: line) }
  }

  @Test func noLineHarmsTheReader() {
    var random = SplitMix64(seed: 7)
    let words = [
      "drain", "ready", "status", "W11", "for", "until", "1s", "because", "application", "-1", "~", "é", "\u{FFFD}",
    ]
    for _ in 0..<20_000 {
      var line = ""
      for _ in 0..<Int.random(in: 0...8, using: &random) {
        line += Bool.random(using: &random) ? words.randomElement(using: &random)! + " " : ""
        if Int.random(in: 0..<4, using: &random) == 0 {
          line += String(decoding: [UInt8.random(in: 0...255, using: &random)], as: UTF8.self)
        }
      }
      do throws(AdminError) {
        let command = try AdminCommand(parsing: line)
        #expect(try AdminCommand(parsing: command.line) == command)
      } catch {
        #expect(!error.description.isEmpty)
        #expect(!error.description.contains("\n"))
      }
    }
  }

  @Test func aDeadlineFromNowIsRoundedUpToSeconds() {
    func seconds(_ deadline: AdminOrder.Deadline?) -> Int64? {
      AdminOrder(.drain, target: "A", deadline: deadline).deadlineSeconds(nowNanoseconds: 10_500_000_000)
    }
    #expect(seconds(.after(.seconds(2))) == 13)
    #expect(seconds(.after(.milliseconds(500))) == 11)
    #expect(seconds(.at(99)) == 99)
    #expect(seconds(nil) == nil)
  }
}

@Suite struct AdminReplyTests {
  @Test func bodiesComeBackAndNoEmptyLineStandsWithin() {
    #expect(AdminReply.done("a\n\nb").text == "ok\na\nb\n\n")
    #expect(AdminReply.parse("ok\na\nb\n\n") == .success("a\nb"))
    #expect(AdminReply.parse(AdminReply.done("").text) == .success(""))
    #expect(AdminReply.parse(AdminReply.refused("no\nsuch").text) == .failure(AdminError("no such")))
  }

  @Test(arguments: ["", "ok", "ok\n", "perhaps\n\n", "error\n\n"])
  func whatIsNoAnswerIsNotTakenForOne(text: String) { #expect(AdminReply.parse(text) == nil) }

  @Test func aStatusComesBackFromJSON() throws {
    let status = sampleStatus(servers: [sampleServer("W11"), sampleServer("W12", state: "drain", deadline: 5)])
    #expect(try NodeStatus(parsing: status.json) == status)
    #expect(throws: AdminError.self) { try NodeStatus(parsing: "{\"node\": 1}") }
  }

  @Test func theTextShowsStateWeightAndReasonOfEachServer() {
    var server = sampleServer("W12", state: "drain", deadline: 1_030)
    server.weight = 5
    server.reason = "by command: disk"
    var status = sampleStatus(servers: [server])
    status.now = 1_000_000
    status.pools[0].servers[0].since = 940_000
    let line = status.text.split(separator: "\n").last ?? ""
    #expect(
      line
        == "  W12     SITE1  0     127.0.0.1:80  drain (30 s left)  up      5/10    0          60 s   by command: disk")
  }
}

/// A server that is well.
func sampleServer(_ name: String, state: String = "ready", deadline: Int64? = nil) -> NodeStatus.Server {
  NodeStatus.Server(
    name: name, site: "SITE1", address: "127.0.0.1:80", tier: 0, state: state, health: "up", deadline: deadline,
    weight: 10, plannedWeight: 10, inFlight: 0, maxConnections: 0, since: 0, reason: "",
    checks: [.init(kind: "liveness", began: 0, succeeded: true)])
}

func sampleStatus(servers: [NodeStatus.Server]) -> NodeStatus {
  NodeStatus(
    node: "B", role: "site-balancer", network: "n", digest: "d", phase: "running", state: "ready", deadline: nil,
    since: 0, reason: "", clients: 0, now: 0, pools: [.init(application: "shop", servers: servers)])
}
