// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

#if os(Linux)
/// Names of files that are not UTF-8, for every option that takes one; on Linux a name is bytes.
@Suite struct PathBytesCommandTests {
    /// Runs `script` with `$n` a name in Latin-1 (`café`) and `$s` one in Shift-JIS (`表`, whose last byte is a backslash);
    /// `$model` and `$picture` are of the fixtures.
    func shell(_ script: String, in folder: TemporaryFolder) throws -> ProductRun {
        let names = "n=$(printf 'caf\\351'); s=$(printf '\\225\\134'); model=$1; picture=$2; set -e; "
        return try ProductRun(
            "idefics",
            shell: names + script,
            [tinyModel, picture("rgb.png")],
            workingDirectory: folder.url
        )
    }

    static let jobs: [String] = [
        #"cp $picture "$n.png"; $program generate --model $model hi --image "$n.png" --max-new-tokens 2"#,
        #"cp $picture "$s.png"; $program generate --model $model hi "--image=./$s.png" --max-new-tokens 2"#,
        #"cp -r $model "$n"; $program generate --model "$n/" hi --max-new-tokens 2; $program inspect --model "./$n""#,
        #"cp -r $model "$s"; echo hi | $program tokenize --model "./$s"; $program download --model "./$s""#,
        #"mkdir "$n"; cp $picture "$n/a.png"; echo '["hi", {"image": "a.png"}]' > "$n/$s.jsonl"; "#
            + #"$program generate --model $model --prompts "$n/$s.jsonl" --max-new-tokens 2"#,
        #"echo 'one two three' > "$n"; $program perplexity --model $model --text "$n""#,
        #"echo '["hi"]' > p.jsonl; $program process --model $model --prompts p.jsonl --output "$n"; "#
            + #"$program forward --model $model --inputs "$n" --output "$s"; "#
            + #"[ -s "$s" ]; $program generate --model $model --inputs "$n" --max-new-tokens 2"#,
        #"$program quantize --model $model --output "$n/$s" --format int8; $program generate --model "$n/$s" hi "#
            + "--max-new-tokens 2",
        #"cp $picture "$n.png"; printf '/image '"$n"'.png\nhi\n/image file:caf%%E9.png\n' > lines; "#
            + #"printf "/image file://$PWD/caf%%E9.png\nhi\n" >> lines; "#
            + #"$program chat --model $model --max-new-tokens 2 < lines 2> err; [ $(grep -c error err) = 1 ]"#,
        #"echo '{"text": "a first line"}' > "$n.jsonl"; cp -r $model "$n"; "#
            + #"finetune="$program finetune --model $n --data $n.jsonl --output $s --lora-r 2 --max-steps"; "#
            + #"$finetune 2 > out; [ -e "$s/adapter/adapter_config.json" ]; [[ "$(cat out)" = *"$s/adapter" ]]; "#
            + #"rm -r "$s/adapter"; $finetune 2 --resume; "#
            + #"$program generate --model "$n" --adapter "$s/adapter" hi --max-new-tokens 2; "#
            + #"$program merge --model "$n" --adapter "$s/adapter" --output "$n.merged"; [ -e "$n.merged/config.json" ]"#,
        #"echo '{"text": "a first line"}' > data.jsonl; "#
            + #"printf 'model: %s\noutput: run\ndata: {train: data.jsonl}\n' "$model" > "$n.yaml"; "#
            + #"$program train "$n.yaml"; [ -e run/model/config.json ]; "#
            + #"$program train "$n.yaml" --set "output=$s"; [ -e "$s/model/config.json" ]"#,
    ]

    @Test(arguments: jobs.indices) func everyOption(job: Int) throws {
        let folder = try TemporaryFolder()
        let run = try shell(Self.jobs[job], in: folder)
        #expect(run.status == 0, "\(Self.jobs[job]): \(run.output) \(run.errors)")
        // The same again with relative paths in a folder of such a name.
        let below = try shell(#"mkdir "$n-cwd"; cd "$n-cwd"; "# + Self.jobs[job], in: folder)
        #expect(below.status == 0, "\(Self.jobs[job]): \(below.output) \(below.errors)")
    }

    @Test func messagesShowAReplacement() throws {
        let folder = try TemporaryFolder()
        let run = try shell(#"$program generate --model $model hi --image "$n.png""#, in: folder)
        #expect(run.status == 1 && run.errors.contains("caf\u{FFFD}.png") && !run.errors.contains("\u{10FEE9}"))
    }

    /// Texts are not names: what is not UTF-8 in them becomes U+FFFD.
    @Test func textsAreRepaired() throws {
        let folder = try TemporaryFolder()
        let generate = #"$program generate --model $model --json --max-new-tokens 2 "#
        let found = try shell(generate + #""$n""#, in: folder)
        let expected = try shell(generate + "$'caf\u{FFFD}'", in: folder)
        func tokens(_ run: ProductRun) throws -> [Int]? {
            let results = (try run.json() as? [String: Any])?["results"] as? [[String: Any]]
            return results?[0]["token_ids"] as? [Int]
        }
        #expect(try tokens(found) != nil && tokens(found) == tokens(expected), "\(found.errors)")
        let score = #"$program score --model $model hi --continuation "#
        #expect(try shell(score + #""$n""#, in: folder).output == shell(score + "$'caf\u{FFFD}'", in: folder).output)
    }

    @Test func cachesInFoldersOfSuchNames() throws {
        let folder = try TemporaryFolder()
        let repository = #""$n/hub/models--org--name""#
        let run = try shell(
            "commit=0123456789012345678901234567890123456789; mkdir -p \(repository)/refs \(repository)/snapshots; "
                + "cp -r $model \(repository)/snapshots/$commit; printf $commit > \(repository)/refs/main; "
                + #"HF_HUB_OFFLINE=1 HF_HOME="$n" $program generate --model org/name hi --max-new-tokens 2"#,
            in: folder
        )
        #expect(run.status == 0, "\(run.errors)")
    }
}
#endif
