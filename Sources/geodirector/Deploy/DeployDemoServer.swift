import ArgumentParser
import DemoServer
import Topology

/// `geodirector deploy demo-server NAME`
struct DeployDemoServer: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo-server", abstract: "Run an application server with sessions in memory, for trials.",
    discussion: """
        geodirector deploy demo-server W11 --topology topologies/two-sites.yaml
        geodirector deploy demo-server W --listen 127.0.0.1:9000 --admission 127.0.0.1:9001

      A request may shape its answer by its query: delay=250ms, bytes=100000, status=503, chunked=1, close=1, format=json.

      The page that health checks ask for (of the topology's check, /running without a topology) is removed and made again like a file, by
      whoever asks the server itself:
        curl -X DELETE http://127.0.0.1:9000/running
        curl -X PUT http://127.0.0.1:9000/running
      """)

  @Argument(help: "The server's name in the topology.") var name: String
  @OptionGroup var topology: TopologyOptions

  @Option(name: .long, help: "Serve at this address, without a topology.") var listen: [String] = []
  @Option(name: .long, help: "With --listen: answer checks for admission at this address.") var admission: [String] = []
  @Option(name: .long, help: "With --listen: the site's name.") var site: String?
  @Option(name: .long, help: "With --listen: the session cookie's name.") var cookie = "JSESSIONID"
  @Option(name: .long, help: "How long the service goes on after SIGUSR1. Default: 10s times the time-scale.")
  var grace: String?

  @Flag(name: .long, help: .hidden) var supervised = false

  func run() async throws {
    try await DeployFailure.reported {
      let options = try listen.isEmpty ? fromTopology() : fromAddresses()
      if supervised { Supervision.stopWithSupervisor() }
      do {
        try await DemoServer.run(options)
      } catch let error as DemoServerError {
        throw DeployFailure.runtime("\(name): \(error.description)")
      }
    }
  }

  private func fromTopology() throws -> DemoServerOptions {
    let loaded = try topology.load()
    let path = try topology.path()
    if let problem = NodeLookup(loaded).problem(name: name, role: .demoServer, topologyPath: path) {
      throw DeployFailure.usage(problem)
    }
    guard let (site, server) = loaded.siteAndServer(named: name) else {
      throw DeployFailure.usage("there is no application server \"\(name)\" in \(path)")
    }
    let services = loaded.demoServices(of: server, at: site)
    if services.isEmpty {
      throw DeployFailure.configuration("\(name) serves no application in \(path): give it `ports:` or an `address:`")
    }
    var options = DemoServerOptions(
      name: name, site: site.name, services: services,
      admissionAddresses: loaded.isAdmissionRelayed(server) ? [] : server.admissionAddress.map { [$0] } ?? [],
      grace: try graceDuration(scale: loaded.timeScale))
    options.certificate = server.demoCertificate
    return options
  }

  private func fromAddresses() throws -> DemoServerOptions {
    let services = try listen.map {
      DemoService(
        application: "demo", cookieName: cookie, address: try Self.address($0, option: "--listen"),
        checkPaths: ["/running"])
    }
    let checks = try admission.map { try Self.address($0, option: "--admission") }
    return DemoServerOptions(
      name: name, site: site, services: services, admissionAddresses: checks,
      grace: try graceDuration(scale: topology.timeScale ?? 1))
  }

  private func graceDuration(scale: Double) throws -> Duration {
    guard let grace else { return Duration.seconds(10).scaled(by: scale) }
    do {
      return try Duration(parsing: grace)
    } catch {
      throw DeployFailure.usage("--grace: " + error.message + (error.mend.map { "; \($0)" } ?? ""))
    }
  }

  private static func address(_ text: String, option: String) throws -> Address {
    do {
      return try Address(parsing: text)
    } catch {
      throw DeployFailure.usage("\(option): " + error.message + (error.mend.map { "; \($0)" } ?? ""))
    }
  }
}

extension Topology {
  /// The application server of a name with its site.
  func siteAndServer(named name: String) -> (Site, AppServer)? {
    for site in sites {
      if let server = site.servers.first(where: { $0.name == name }) { return (site, server) }
    }
    return nil
  }

  /// What a demo server plays: one service for each address, for the first application that is served there.
  func demoServices(of server: AppServer, at site: Site) -> [DemoService] {
    var services: [DemoService] = []
    for application in applications where site.serves(application.name) {
      guard let address = server.address(for: application.name) else { continue }
      var checkPaths: Set<String> = []
      if case .http(let check) = application.check { checkPaths.insert(String(check.path.prefix { $0 != "?" })) }
      if let known = services.firstIndex(where: { $0.address == address }) {
        services[known].checkPaths.formUnion(checkPaths)
        continue
      }
      // Only a prefixed cookie is the application's own; an inserted one belongs to the balancer.
      let session = application.sessionCookie?.plan
      let cookie = session?.mode == .prefix ? session?.name : nil
      services.append(
        DemoService(
          application: application.name, cookieName: cookie ?? "JSESSIONID", address: address, checkPaths: checkPaths))
    }
    return services
  }
}
