// Generate text for an image and a question: swift run Generate MODEL IMAGE

import Foundation
import Idefics

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: Generate MODEL IMAGE")
    exit(64)
}

let model = try await Idefics.load(from: arguments[1])
let prompt: Prompt = [
    .text("User: What is in this image?"),
    .image(.file(URL(filePath: arguments[2]))),
    .text("<end_of_utterance>\nAssistant:"),
]
var config = model.chatConfig
config.maxNewTokens = 32
for try await event in model.generate(prompt, config: config) {
    switch event {
    case .text(let chunk, _, _): print(chunk, terminator: "")
    case .finished(let info): print("\n\(info.tokensPerSecond) tokens/s, \(info.stopReason)")
    }
}
