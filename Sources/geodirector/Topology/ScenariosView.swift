import Topology

/// What a topology says for its simulation, as JSON: durations in milliseconds, sizes in bytes.
enum ScenariosView {
  struct Traffic: Encodable {
    var users: Int?
    var thinkTimeMilliseconds, sessionLengthMilliseconds, idleExpiryMilliseconds: Double?
    var requestBytes, responseBytes: Int?
    var postShare: Double?
    var parallel: Int?
    var byHour: [Double]?
    var clients: String?
  }
  struct Service: Encodable {
    var timeMilliseconds: Double?
    var concurrency, queue: Int?
  }
  struct Step: Encodable {
    var atMilliseconds: Double
    var forMilliseconds: Double?
    var what: String
    var elements, link, order: [String]?
    var oneWay: Bool?
    var file: String?
    var pauseMilliseconds, addedMilliseconds, deadlineMilliseconds: Double?
    var divideBandwidth, share: Double?
    var status: Int?
  }
  struct Statement: Encodable {
    var measure, phase: String
    /// Milliseconds for latencies.
    var atMost, atLeast: Double?
  }
  struct Story: Encodable {
    var name, summary: String
    var durationMilliseconds: Double
    var seed: UInt64?
    var traffic: Traffic?
    var steps: [Step]
    var expect: [Statement]
  }
}

extension ScenariosView.Traffic {
  /// Nil when nothing is said.
  init?(_ traffic: TrafficSettings) {
    guard traffic != TrafficSettings() else { return nil }
    self.init(
      users: traffic.users, thinkTimeMilliseconds: traffic.thinkTime?.inMilliseconds,
      sessionLengthMilliseconds: traffic.sessionLength?.inMilliseconds,
      idleExpiryMilliseconds: traffic.idleExpiry?.inMilliseconds, requestBytes: traffic.requestSize,
      responseBytes: traffic.responseSize, postShare: traffic.postShare, parallel: traffic.parallel,
      byHour: traffic.byHour.isEmpty ? nil : traffic.byHour, clients: traffic.clients?.value.rawValue)
  }
}

extension ScenariosView.Service {
  /// Nil when nothing is said.
  init?(_ service: ServiceSettings) {
    guard service != ServiceSettings() else { return nil }
    self.init(
      timeMilliseconds: service.serviceTime?.inMilliseconds, concurrency: service.concurrency, queue: service.queue)
  }
}

extension ScenariosView.Story {
  init(_ scenario: Scenario) {
    name = scenario.name
    summary = scenario.summary
    durationMilliseconds = scenario.duration.inMilliseconds
    seed = scenario.seed
    traffic = ScenariosView.Traffic(scenario.traffic)
    steps = scenario.steps.map(ScenariosView.Step.init)
    expect = scenario.expectations.map {
      ScenariosView.Statement(
        measure: $0.measure.rawValue, phase: $0.phase.rawValue, atMost: $0.atMost, atLeast: $0.atLeast)
    }
  }
}

extension ScenariosView.Step {
  init(_ step: ScenarioStep) {
    self.init(
      atMilliseconds: step.at.inMilliseconds, forMilliseconds: step.lasts?.inMilliseconds, what: "", elements: nil,
      link: nil, order: nil, oneWay: nil, file: nil, pauseMilliseconds: nil, addedMilliseconds: nil,
      deadlineMilliseconds: nil, divideBandwidth: nil, share: nil, status: nil)
    switch step.fault {
    case .kill(let names):
      what = "kill"
      elements = names.map(\.value)
    case .power(let names):
      what = "power"
      elements = names.map(\.value)
    case .restart(let names, let pause):
      what = "restart"
      elements = names.map(\.value)
      pauseMilliseconds = pause.inMilliseconds
    case .cut(let ends, let isOneWay):
      what = "cut"
      link = [ends.from.value, ends.to.value]
      oneWay = isOneWay
    case .slow(let target, let added, let divided):
      what = "slow"
      addedMilliseconds = added.inMilliseconds
      switch target {
      case .link(let ends):
        link = [ends.from.value, ends.to.value]
        divideBandwidth = divided
      case .elements(let names): elements = names.map(\.value)
      }
    case .lossy(let ends, let lost):
      what = "lossy"
      link = [ends.from.value, ends.to.value]
      share = lost
    case .applicationErrors(let names, let wrong, let code):
      what = "errors"
      elements = names.map(\.value)
      share = wrong
      status = code
    case .checkFails(let names):
      what = "check-fails"
      elements = names.map(\.value)
    case .drain(let names, let deadline):
      what = "drain"
      elements = names.map(\.value)
      deadlineMilliseconds = deadline?.inMilliseconds
    case .rollingRestart(let names, let pause):
      what = "rolling-restart"
      elements = names.map(\.value)
      pauseMilliseconds = pause.inMilliseconds
    case .reload(let names):
      what = "reload"
      elements = names.map(\.value)
    case .rollout(let path, let names, let pause):
      what = "rollout"
      file = path.value
      order = names.map(\.value)
      pauseMilliseconds = pause.inMilliseconds
    }
  }
}
