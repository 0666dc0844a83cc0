import Testing
import Topology
import TopologyFile

private func loaded(_ text: String) throws -> Topology {
  let (topology, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
  return try #require(topology, "\(diagnostics)")
}

private let network = """
  geodirector: 1
  admin: {socket: "/run/x/{node}.sock", mode: "0660"}
  addresses:
    - {name: entry, address: 10.0.0.100/24, router-id: 51, interval: 200ms}
  sites:
    - name: S
      directors: [{name: D, listen: "10.0.0.5:80"}]
      balancers:
        - name: A
          listen: [{address: "10.0.0.100:80", bind: free}, "10.0.0.11:80"]
          advertise: "10.0.0.11:80"
          monitor: "10.0.0.11:81"
          vrrp: {address: entry}
        - name: B
          listen: [{address: "10.0.0.100:80", bind: free}, "10.0.0.12:80"]
          advertise: "10.0.0.12:80"
          monitor: "10.0.0.12:81"
          vrrp: {address: entry, interface: bond0, priority: 7, preempt: true}
      servers: [{name: W, address: "10.0.0.9:80"}]
  """

@Suite struct SharedAddressTests {
  @Test func partsAreDerivedFromTheOrderOfTheHoldersAndTheirOwnAddresses() throws {
    let topology = try loaded(network)
    let parts = topology.parts(of: topology.sharedAddresses[0])
    #expect(parts.map(\.node) == ["A", "B"])
    #expect(parts.map(\.priority) == [200, 7])
    #expect(parts.map(\.peers) == [["B"], ["A"]])
    #expect(parts.map(\.interface) == ["eth0", "bond0"])
    #expect(parts.map(\.preempts) == [false, true])
    #expect(parts.map { $0.source?.hostText } == ["10.0.0.11", "10.0.0.12"])
    #expect(topology.addressParts(ofNode: "D").isEmpty)
  }

  /// Few are far apart, so that a busy machine does not turn their order round; many still have one each.
  @Test(arguments: [
    (4, [200, 150, 100, 50]), (5, [200, 190, 180, 170, 160]), (20, (0..<20).map { 200 - 10 * $0 }),
    (21, (0..<21).map { 254 - $0 }),
  ])
  func prioritiesFallInTheOrderOfTheHolders(count: Int, expected: [Int]) throws {
    let holders = (1...count).map { number in
      """
          - {name: L\(number), listen: [{address: "10.0.0.100:80", bind: free}, "10.0.1.\(number):80"], advertise: "10.0.1.\(number):80", \
      monitor: "10.0.1.\(number):81", vrrp: {address: entry}}
      """
    }
    let text = """
      geodirector: 1
      addresses: [{name: entry, address: 10.0.0.100/24, router-id: 51}]
      sites:
        - name: S
          directors: [{name: D, listen: "10.0.0.5:80"}]
          servers: [{name: W, address: "10.0.0.9:80"}]
          balancers:

      """ + holders.joined(separator: "\n")
    let topology = try loaded(text)
    #expect(topology.parts(of: topology.sharedAddresses[0]).map(\.priority) == expected)
  }

  @Test func twoHoldersMayListenOnTheAddressTheyShare() throws {
    let plan = try loaded(network).plan(for: "A")
    #expect(plan.listeners.map(\.bindsFreely) == [true, false])
  }

  @Test(arguments: [
    ("{address: \"10.0.0.100:80\", bind: free}, ", "10.0.0.100/24", true), ("", "10.0.0.100/24", false),
    ("\"0.0.0.0:82\", ", "10.0.0.100/24", true), ("\"[::]:82\", ", "10.0.0.100/24", false),
    // On loopback a network is tried out, and one machine has it all.
    ("", "127.1.0.100", true),
  ])
  func aHolderAtWhichNobodyListensIsAnError(listener: String, address: String, isWell: Bool) throws {
    let text = network.replacing(
      "listen: [{address: \"10.0.0.100:80\", bind: free}, \"10.0.0.12:80\"]",
      with: "listen: [\(listener)\"10.0.0.12:80\"]"
    ).replacing("address: 10.0.0.100/24", with: "address: \(address)")
    let (_, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
    let found = diagnostics.filter { "\($0)".contains("users find nobody") }.map { "\($0)" }
    #expect(found.allSatisfy { $0.contains(": error: ") }, "\(diagnostics)")
    #expect(found.isEmpty == isWell, "\(diagnostics)")
    if let first = found.first {
      #expect(first.contains("\"B\" does not listen at 10.0.0.100"))
      let port = listener.isEmpty ? 80 : 82
      #expect(first.contains("add {address: \"10.0.0.100:\(port)\", bind: free} to its \"listen\""))
    }
  }

  /// Each may have a peer, and all be joined by a chain: two that do not hear each other both take the address.
  @Test(arguments: [
    (["B", "A, C", "B"], ["A C"]), (["B", "A", "D", "C"], ["A C", "B C", "A D", "B D"]),
    (["B, C", "A, C", "A, B"], []), (["", "", ""], []), (["", "A, C", "A"], ["one-sided C"]),
  ])
  func everyTwoHoldersNameEachOther(peers: [String], expected: [String]) throws {
    let names = ["A", "B", "C", "D"].prefix(peers.count)
    let holders = zip(names, peers).enumerated().map { number, holder in
      let named = holder.1.isEmpty ? "" : ", peers: [\(holder.1)]"
      return """
            - {name: \(holder.0), listen: [{address: "10.0.0.100:80", bind: free}, "10.0.1.\(number + 1):80"], \
        advertise: "10.0.1.\(number + 1):80", monitor: "10.0.1.\(number + 1):81", vrrp: {address: entry\(named)}}
        """
    }
    let text = """
      geodirector: 1
      addresses: [{name: entry, address: 10.0.0.100/24, router-id: 51}]
      sites:
        - name: S
          directors: [{name: D1, listen: "10.0.0.5:80"}]
          servers: [{name: W, address: "10.0.0.9:80"}]
          balancers:

      """ + holders.joined(separator: "\n")
    let (topology, diagnostics) = TopologyLoader.load(text: text, file: "network.yaml")
    #expect((topology == nil) == !expected.isEmpty, "\(diagnostics)")
    #expect(diagnostics.count == expected.count, "\(diagnostics)")
    for (pair, found) in zip(expected, diagnostics) {
      let words = pair.split(separator: " ")
      let (first, second) = (words[0], words[1])
      let line = 7 + (names.firstIndex(of: String(second)) ?? 0) + 1
      #expect("\(found)".hasPrefix("network.yaml:\(line):"), "\(found)")
      let message =
        first == "one-sided"
        ? "one-sided peers: \"B\" announces to \"\(second)\", which does not announce to it"
        : "\"\(first)\" and \"\(second)\" do not announce to each other"
      #expect(found.severity == .error && found.message == "\(message): both would hold \"entry\"", "\(found)")
      #expect(found.mend == "leave out \"peers:\", or name each other")
    }
  }

  @Test func theCommandSocketOfANodeBearsItsName() throws {
    let topology = try loaded(network)
    #expect(try topology.plan(for: "D").admin == AdminPlan(socketPath: "/run/x/D.sock", mode: 0o660))
    #expect(
      try loaded(network.replacing("admin: {socket: \"/run/x/{node}.sock\", mode: \"0660\"}", with: "admin: true"))
        .plan(for: "D").admin == AdminPlan(socketPath: "/run/geodirector/network/D.sock"))
    #expect(
      try loaded(network.replacing("admin: {socket: \"/run/x/{node}.sock\", mode: \"0660\"}", with: "admin: no"))
        .plan(for: "D").admin == nil)
  }
}
