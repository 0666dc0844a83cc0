import Simulation
import Topology

/// The network of topologies/two-sites.yaml, made in code.
enum TwoSites {
  /// Swift Testing has an Expectation, too.
  typealias Phase = Expectation.Phase

  static let topology: Topology = {
    var topology = Topology(name: "two-sites")
    var application = Application(id: 0, name: "shop")
    application.sessionCookie = CookieSettings(plan: CookiePlan(name: "JSESSIONID", mode: .prefix))
    application.check = .http(.standard)
    topology.applications = [application]
    for number in 1...2 { topology.sites.append(site(number)) }
    for number in 1...3 {
      var office = Office(id: number - 1, name: "OP\(number)")
      office.listen = [listen(0, number, 1, 8080)]
      office.order = .list
      office.preference = (number == 3 ? ["SITE2", "SITE1"] : ["SITE1", "SITE2"]).map { Located($0) }
      topology.offices.append(office)
    }
    let latencies = [("OP1", 15, 85), ("OP2", 25, 90), ("OP3", 90, 20)]
    for (office, first, second) in latencies {
      link(office, "SITE1", first, 0.05, &topology)
      link(office, "SITE2", second, 0.05, &topology)
    }
    link("SITE1", "SITE2", 80, 0.09, &topology)
    return topology
  }()

  static let network: NetworkModel = {
    guard let network = try? NetworkModel(topology) else { preconditionFailure("the plans can be made") }
    return network
  }()

  private static func address(_ a: Int, _ b: Int, _ c: Int, _ port: UInt16) -> Located<Address> {
    Located(.ipv4(UInt32(127 << 24 | a << 16 | b << 8 | c), port: port))
  }

  private static func listen(_ a: Int, _ b: Int, _ c: Int, _ port: UInt16) -> Listen {
    Listen(address: address(a, b, c, port), isPublic: false)
  }

  private static func node(_ id: Int, _ name: String, _ number: Int, _ last: Int) -> SiteNode {
    var node = SiteNode(id: id, name: name)
    node.listen = [listen(number, 1, last, 8080)]
    node.monitor = address(number, 1, last, 8081)
    return node
  }

  private static func site(_ number: Int) -> Site {
    var site = Site(id: number - 1, name: "SITE\(number)")
    site.directors = [node(number - 1, "SD\(number)", number, 1)]
    site.balancers = (1...2).map { node(number * 2 + $0, "S\(number)L\($0)", number, 10 + $0) }
    site.servers = (1...4).map { index in
      var server = AppServer(id: (number - 1) * 4 + index - 1, name: "W\(number)\(index)")
      server.base = address(number, 2, index, 0).value
      server.ports = [ServicePort(application: Located("shop"), port: 8080)]
      server.admissionPort = Located(8081)
      server.weight = 100
      return server
    }
    return site
  }

  private static func link(
    _ first: String, _ second: String, _ milliseconds: Int, _ cost: Double, _ topology: inout Topology
  ) {
    topology.links.append(
      Link(
        id: topology.links.count, ends: [Located(first), Located(second)], latency: .milliseconds(milliseconds),
        bandwidth: nil, costPerGigabyte: cost))
  }

  /// A scenario of steps.
  static func scenario(_ name: String, seconds: Int = 600, _ steps: [ScenarioStep]) -> Scenario {
    var scenario = Scenario(name: name, duration: .seconds(seconds))
    scenario.steps = steps
    return scenario
  }

  static func step(at: Int, lasts: Int? = nil, _ fault: Fault) -> ScenarioStep {
    ScenarioStep(at: .seconds(at), lasts: lasts.map { .seconds($0) }, fault: fault)
  }

  static func names(_ names: String...) -> [Located<String>] { names.map { Located($0) } }

  static func ends(_ first: String, _ second: String) -> LinkEnds {
    LinkEnds(from: Located(first), to: Located(second))
  }

  static func run(
    _ scenario: Scenario, seed: UInt64 = 1, without behaviour: Behaviour = [],
    _ change: (inout SimulationOptions) -> Void = { _ in }
  ) -> ScenarioReport {
    var options = SimulationOptions(seed: seed)
    options.behaviour = behaviour
    change(&options)
    return Simulation.run(network, scenario: scenario, options: options)
  }
}
