/// Where a shared address is, and what the keepalived of its holders believe: told of the world by `observe`, brought forward by
/// `advance`; `nextAt` says when it changes by itself.
///
/// Times are the longest: questions and announcements fall as late as they can. A node whose machine lives gives the address away when
/// `fall` questions in a row have failed, and the first to take it is the highest that is well, after its skew. A machine that loses its
/// power loses the address at once, and three announcements are missed before another takes it. Who comes back is well after `rise`
/// questions; it takes an address that nobody holds when it has heard nobody for three announcements, and one that is held only from a
/// lower node, if it preempts, after the delay for that.
struct AddressState {
  private struct Part {
    /// What is true.
    var isPowered = true
    var isWell = true
    var changedAt: Int64 = 0
    /// What its keepalived goes by.
    var isBelieved = true
    var believedAt: Int64 = 0
    /// Until when it waits for an announcement before it takes the address, beside its skew.
    var listensUntil: Int64 = 0
  }
  private enum Step {
    case believes, takes
  }

  let model: AddressModel
  private var parts: [Part]
  /// Position of who has the address; nil: nobody.
  private(set) var holder: Int?
  private var takenAt: Int64 = 0

  /// The highest that is well has the address at the start.
  /// - Parameter isWell: by holder.
  init(_ model: AddressModel, isWell: [Bool]) {
    self.model = model
    parts = isWell.map { isWell in
      var part = Part()
      part.isWell = isWell
      part.isBelieved = isWell
      return part
    }
    holder = isWell.firstIndex(of: true)
  }

  /// The element of who has the address; -1: nobody.
  var element: Int32 { holder.map { model.holders[$0].element } ?? -1 }

  /// When it changes by itself; `Int64.max`: never, as things are.
  var nextAt: Int64 { next()?.at ?? .max }

  /// Users find nobody by the address, and that will change by itself; or its holder is not well, and will lose it.
  var isFailingOver: Bool {
    if let holder { return !parts[holder].isWell }
    return parts.contains { $0.isBelieved || $0.isWell }
  }

  /// A holder now. `isWell`: what its monitor would say; false without power.
  mutating func observe(_ index: Int, isPowered: Bool, isWell: Bool, at now: Int64) {
    if parts[index].isPowered && !isPowered {
      parts[index].isBelieved = false
      if holder == index { loses(at: now, listening: model.silence) }
    }
    parts[index].isPowered = isPowered
    if parts[index].isWell != isWell {
      parts[index].isWell = isWell
      parts[index].changedAt = now
    }
  }

  /// Does what is due until a moment; what one step brings about may be due, too.
  mutating func advance(to now: Int64) {
    while let (time, index, step) = next(), time <= now {
      switch step {
      case .believes:
        let isWell = parts[index].isWell
        parts[index].isBelieved = isWell
        parts[index].believedAt = time
        parts[index].listensUntil = time + model.silence
        if !isWell && holder == index { loses(at: time, listening: 0) }
      case .takes:
        holder = index
        takenAt = time
      }
    }
  }

  /// Nobody has the address; those who could take it wait so long, and their skew.
  private mutating func loses(at now: Int64, listening: Int64) {
    holder = nil
    for index in parts.indices { parts[index].listensUntil = now + listening }
  }

  /// Of several at one moment who gives up comes first, then the higher holder.
  private func next() -> (at: Int64, index: Int, step: Step)? {
    var found: (at: Int64, index: Int, step: Step)?
    for step in [Step.believes, .takes] {
      for index in parts.indices {
        guard let time = step == .believes ? beliefAt(index) : takeAt(index) else { continue }
        if let found, found.at <= time { continue }
        found = (time, index, step)
      }
    }
    return found
  }

  private func beliefAt(_ index: Int) -> Int64? {
    let part = parts[index]
    guard part.isPowered, part.isBelieved != part.isWell else { return nil }
    if part.isWell { return part.changedAt + (model.holders[index].isAsked ? AddressModel.rise : 0) }
    return part.changedAt + AddressModel.fall
  }

  private func takeAt(_ index: Int) -> Int64? {
    guard parts[index].isBelieved, index != self.holder else { return nil }
    guard let holder = self.holder else { return parts[index].listensUntil + model.skew(index) }
    guard model.holders[index].preempts, model.holders[index].priority > model.holders[holder].priority else {
      return nil
    }
    return max(parts[index].believedAt, takenAt) + model.preemptDelay
  }
}
