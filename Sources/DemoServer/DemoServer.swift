import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS
import Topology

/// An application server with sessions in memory, for trials: it tells which server answered, how often the session
/// came and which way the request took. Its sessions end with it, so that a lost session can be seen.
///
/// - `GET /healthy` is answered with 200 and begins no session; every other path and method is the application.
/// - `DELETE` of the path that health checks ask for removes it as one removes a file: it is answered 404 until `PUT`. That is for whoever
///   asks the server itself; what came through a node (`Via`) is the application's.
/// - `delay=250ms`, `bytes=100000`, `status=503`, `chunked=1`, `close=1` and `format=json` in the query shape the answer.
/// - `bodyDigest` is FNV-1a (64 bits) of the request's body.
/// - SIGTERM and SIGINT stop it, requests in flight are finished. SIGUSR1 stops it softly: the admission addresses close at
///   once, the service goes on, with `Connection: close` in its answers, until the grace has passed and nothing is in flight.
public enum DemoServer {
  /// Serves until a signal stops it; returns when stopped cleanly. Call once a process: it takes its signals.
  /// - Throws: `DemoServerError` when an address cannot be had.
  public static func run(_ options: DemoServerOptions) async throws {
    let signals = ProcessSignals.stream([SIGTERM, SIGINT, SIGUSR1])
    // One thread serves far more than a trial asks for, and every server of a network may run on one machine.
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let server: RunningServer
    do {
      server = try RunningServer(options: options, group: group)
      try await server.start()
    } catch {
      try? await group.shutdownGracefully()
      throw error
    }
    await server.serve(signals: signals)
    try? await group.shutdownGracefully()
  }
}

/// A demo server from its first listening socket to its last connection.
private final class RunningServer {
  private let state: ServerState
  private let group: MultiThreadedEventLoopGroup
  private var service: [any Channel] = []
  private var admission: [any Channel] = []
  private let tls: ListenerTLS?

  init(options: DemoServerOptions, group: MultiThreadedEventLoopGroup) throws(DemoServerError) {
    state = ServerState(options: options)
    self.group = group
    do throws(TLSError) {
      tls = try options.certificate.map { (certificate) throws(TLSError) in
        try ListenerTLS(ListenerTLSPlan(certificates: [certificate]), now: Int64(time(nil)), clock: .zero)
      }
    } catch {
      throw DemoServerError(kind: .other, description: "\(error)")
    }
  }

  func start() async throws {
    let options = state.options
    for service in options.services {
      self.service.append(try await listen(service.address, purpose: .service(service)))
    }
    for address in options.admissionAddresses {
      admission.append(try await listen(address, purpose: .admission))
    }
    let addresses = options.services.map(\.address.description).joined(separator: ", ")
    let checks = options.admissionAddresses.map(\.description).joined(separator: ", ")
    log("started, service on \(addresses)" + (checks.isEmpty ? "" : ", admission on \(checks)"))
  }

  func serve(signals: AsyncStream<Int32>) async {
    var softStop: Task<Void, Never>?
    let (events, continuation) = AsyncStream.makeStream(of: Event.self)
    let forwarder = Task {
      for await number in signals { continuation.yield(.signal(number)) }
    }
    defer {
      softStop?.cancel()
      forwarder.cancel()
    }
    for await event in events {
      switch event {
      case .graceOver:
        return await stop(because: "the grace is over")
      case .signal(SIGUSR1):
        guard softStop == nil else { continue }
        await beginSoftStop()
        softStop = Task { [state] in
          try? await Task.sleep(for: state.options.grace)
          while !Task.isCancelled, state.requestsInFlight > 0 { try? await Task.sleep(for: .milliseconds(20)) }
          continuation.yield(.graceOver)
        }
      case .signal(let number):
        return await stop(because: number == SIGINT ? "interrupt" : "SIGTERM")
      }
    }
  }

  private enum Event {
    case signal(Int32)
    case graceOver
  }

  private func beginSoftStop() async {
    log("stopping softly, service goes on for \(state.options.grace.text)")
    state.beginClosing()
    for channel in admission { try? await channel.close() }
    admission = []
  }

  private func stop(because reason: String) async {
    log("stopping: \(reason), \(state.requestsInFlight) requests in flight")
    state.beginClosing()
    for channel in service + admission { try? await channel.close() }
    // A request may be on its way on a connection that looks idle: it is let in before idle connections close.
    try? await Task.sleep(for: .milliseconds(50))
    for channel in state.openConnections { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
    let deadline = ContinuousClock.now + state.options.shutdown
    while !state.openConnections.isEmpty {
      if ContinuousClock.now >= deadline {
        log("\(state.requestsInFlight) requests were not finished in \(state.options.shutdown.text) and are cut")
        break
      }
      try? await Task.sleep(for: .milliseconds(5))
    }
    log("stopped")
  }

  private func listen(_ address: Address, purpose: RequestHandler.Purpose) async throws -> any Channel {
    let state = state
    let tls = tls
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let tls {
            // New files are for new connections, as at nodes.
            _ = tls.reload(now: Int64(time(nil)), clock: .zero)
            guard let connection = tls.acceptFed() else { throw ChannelError.ioOnClosedChannel }
            try pipeline.addHandler(TLSHandler(connection))
          }
          try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
          // Longer than any delay a request may ask for.
          try pipeline.addHandler(IdleStateHandler(allTimeout: .minutes(10)))
          try pipeline.addHandler(RequestHandler(state: state, purpose: purpose))
        }
      }
    return try await Listening.bind(bootstrap, to: address)
  }

  private func log(_ event: String) { state.log(event) }
}
