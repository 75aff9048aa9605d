"""Every sentence of the report in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("zh", "en")
Texts = Mapping[str, tuple[str, str]]  # by word: Chinese, English

STEPS: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = (
    (
        ("验证包", "Bundle"),
        ("文件与清单一致", "the files are those of the manifest"),
    ),
    (
        ("签名", "Signatures"),
        (
            "每个检查点都由当时的日志密钥签名,见证签名有效",
            "every checkpoint is signed by the log's key of its time, every cosignature is good",
        ),
    ),
    (
        ("记录", "Openings"),
        (
            "每条记录都与日志中的承诺值相符",
            "every record is the one to which the log is committed",
        ),
    ),
    (
        ("日志树", "Tree"),
        (
            "全部条目得出每个检查点的根,没有增加、删除或调换",
            "the entries give the root of every checkpoint: none added, removed or moved",
        ),
    ),
    (
        ("一人一票", "Once"),
        (
            "每位股东每类股份只有一张表决票,且在投票时段内",
            "one ballot for each holder and class, cast while the polls were open",
        ),
    ),
    (
        ("股东名册", "Register"),
        (
            "名册与投票开始前公布的根一致,投票人均在册,股数一致",
            (
                "the register is the one published before the polls; all who voted are on it, "
                "with their shares"
            ),
        ),
    ),
    (
        ("议程", "Agenda"),
        (
            "议程文件就是投票时的议程,投票时段是规则规定的",
            "the agenda is the one on which every ballot was cast; the polls kept their hours",
        ),
    ),
    (
        ("规则", "Rules"),
        (
            "每张表决票符合规则,其他渠道的表决按规则认定",
            "every ballot keeps the rules, votes of other channels are judged by them",
        ),
    ),
    (
        ("票数", "Totals"),
        (
            "独立重新计票的结果与公布的结果逐项相同",
            "counted again independently, every figure is the announced one",
        ),
    ),
    (
        ("股东凭证", "Promises"),
        (
            "股东提交的确认书和计入证明均属实",
            "what holders handed in is signed, and in the log",
        ),
    ),
)

REASONS: Texts = {
    "another_succession": (
        "换钥记录所写的密钥与前一把或公布的不符",
        "a change of keys that does not go on from the key before, or to none that is named",
    ),
    "keys_differ": (
        "与签名的密钥及其次序不符",
        "not the keys that signed, in their order",
    ),
    "not_handed_over": (
        "密钥{key}的接替没有新旧两把密钥的签名",
        "the key {key} takes over without the signatures of both keys",
    ),
    "not_the_given_key": (
        "不是由您提供的公钥签名的日志(请用该次会议页面上的公钥)",
        "not the log of the key that you gave (take the one on this meeting's page)",
    ),
    "signed_by_another": (
        "前面的条目的检查点不是由当时的密钥签名的",
        "the checkpoint up to here is not signed by the key whose turn it was",
    ),
    "another_agenda": ("所依据的议程不是该议程文件", "another agenda than agenda.json"),
    "another_document": ("与计票记录中的哈希不符", "not the document of the tally record"),
    "another_kind": (
        "清单写的种类是{expected},内容是{found}",
        "the manifest says {expected}, the content is {found}",
    ),
    "another_log": ("属于另一个日志", "belongs to another log"),
    "another_meeting": ("议程不是此日志所属会议的", "the agenda of another meeting than the log's"),
    "another_tree": ("与该位置的条目不符", "the log has another entry there"),
    "bad_checkpoint": ("检查点无效:{why}", "no valid checkpoint: {why}"),
    "bad_promise": ("确认书无效:{why}", "no valid promise: {why}"),
    "bad_proof": ("计入证明无效:{why}", "no valid proof: {why}"),
    "ballots_differ": (
        "日志中有{found}张表决票,截止记录写的是{expected}张",
        "{found} ballots in the log, {expected} in the close record",
    ),
    "cannot_be_read": ("表决内容不合格式", "what was voted is not in the format"),
    "commitment_differs": (
        "记录与承诺值不符,记录或随机数被改动",
        "record or salt were changed: not what the log is committed to",
    ),
    "file_differs": ("与清单不符", "not as in the manifest"),
    "judged_otherwise": (
        "按规则应认定为{found},记录写的是{said}",
        "by the rules it is {found}, the record says {said}",
    ),
    "kinds_out_of_order": ("条目种类的顺序不对", "an entry of this kind may not stand here"),
    "missing": ("缺少", "missing"),
    "no_checkpoint": ("没有检查点", "no checkpoint"),
    "no_first_checkpoint": (
        "缺少投票开始前的检查点",
        "the checkpoint from before the polls is missing",
    ),
    "no_record": ("缺少{kind}记录", "the {kind} record is missing"),
    "no_such_leaf": ("日志中没有这一条目", "the log has no such entry"),
    "not_a_holder": ("不是股东记录", "not the record of a holder"),
    "not_an_opening": ("不合格式", "not in the format"),
    "not_logged": ("公布的票数未记入日志", "the announced totals are not in the log"),
    "not_of_its_kind": ("不是{kind}记录的格式", "not the form of a {kind} record"),
    "not_opened": ("至第{last}条没有记录", "and up to {last}: not opened"),
    "opened_alone": ("申请计票和启封的是同一人", "one person asked for the tally and opened it"),
    "out_of_order": ("次序不对或重复", "out of order or doubled"),
    "out_of_time": ("投票时间{at}不在投票时段内", "cast at {at}, when the polls were not open"),
    "polls_differ": (
        "投票时段是{found},按规则应为{expected}",
        "the polls were open {found}, by the rule {expected}",
    ),
    "promise_broken": (
        "确认码{code}的表决票不在日志中",
        "the ballot with the code {code} is not in the log",
    ),
    "register_root_differs": (
        "名册的根与开始记录不符",
        "the register's root is not that of the start record",
    ),
    "register_size_differs": (
        "名册有{found}位股东,开始记录写的是{expected}位",
        "{found} holders, {expected} in the start record",
    ),
    "root_differs": (
        "前{size}个条目的根与检查点不符",
        "the first {size} entries do not give the checkpoint's root",
    ),
    "shares_differ": (
        "记录的股数是{found},名册上是{expected}",
        "{found} shares in the record, {expected} on the register",
    ),
    "size_differs": (
        "有{found}个条目,最后的检查点写的是{expected}个",
        "{found} entries, {expected} in the last checkpoint",
    ),
    "size_not_larger": ("不大于前一个检查点", "not larger than the checkpoint before"),
    "stranger": ("投票人{voter}不在名册上", "the voter {voter} is not on the register"),
    "total_differs": (
        "公布的是{expected},重新计票是{found}",
        "announced {expected}, counted {found}",
    ),
    "twice_on_register": ("股东{voter}在名册上重复", "the holder {voter} stands there twice"),
    "unlawful": ("议案{motion}:{fault}", "motion {motion}: {fault}"),
    "version_not_larger": ("计票版本没有递增", "the tally's version does not grow"),
    "voted_twice": ("股东{voter}已有一张表决票", "the voter {voter} has a ballot already"),
}

FAULTS: Texts = {
    "EXCLUSIVE": ("同意了互斥议案中的两项", "agrees to two motions that exclude each other"),
    "INCOMPLETE": ("没有表决", "not answered"),
    "NOT_A_NOMINEE": ("不是名义持有人而拆分表决", "splits, but is no nominee"),
    "NOT_OF_CLASS": ("该类股份不参加此议案表决", "this class does not vote on it"),
    "NO_VOTES": ("没有表决权", "has no vote"),
    "OVER_HOLDING": ("受托股份数超过持股", "declares more than it holds"),
    "OVER_LIMIT": ("超过可用的选举票数", "more votes than there are to give"),
    "RECUSED_ONLY": ("须对全部议案回避", "recused from every motion"),
    "SUM_MISMATCH": ("拆分之和不等于受托股份数", "the split does not add up to what was declared"),
    "TOO_MANY_CANDIDATES": ("投给的候选人多于应选人数", "more candidates than seats"),
    "UNKNOWN_CHOICE": ("不是该议案可以选择的", "no answer to this motion"),
}

WORDS: Texts = {
    "title": ("选票日志验证报告", "Verification of a ballot log"),
    "meeting": ("会议", "Meeting"),
    "issuer": ("上市公司", "Company"),
    "date": ("会议日期", "Held on"),
    "log": ("日志", "Log"),
    "kind": ("验证包", "Bundle"),
    "public": (
        "公开版(不含表决票,不能重新计票)",
        "public (without ballots: votes are not counted again)",
    ),
    "auditor": ("审计版(含全部记录)", "auditor's (with every record)"),
    "root": ("日志根", "Root"),
    "hash": ("检查点哈希", "Checkpoint"),
    "leaves": ("条目", "Entries"),
    "leaves_of": (
        "{leaves}(表决票{ballots},其他渠道{others})",
        "{leaves} ({ballots} ballots, {others} votes of other channels)",
    ),
    "holders": ("名册股东", "Holders"),
    "cosigned": ("见证签名", "Cosigned by"),
    "nobody": ("无", "nobody"),
    "key_given": ("日志公钥(由您提供)", "Log key (given by you)"),
    "key_taken": ("日志公钥(取自验证包)", "Log key (from the bundle)"),
    "key_handed": ("日志公钥(由换钥记录接替)", "Log key (by the log's changes of keys)"),
    "key_until": (",签名第{first}至{last}条", ", signed entries {first} to {last}"),
    "key_from": (",签名第{first}条以后", ", signed from entry {first} on"),
    "key_warning": (
        "注意:公钥取自验证包本身。请与会议通知或官方网站公布的公钥核对,或用 --key 提供。",
        (
            "Mind: this key came with the bundle. Compare it with the one in the meeting's "
            "notice or on the official site, or give that one with --key."
        ),
    ),
    "passed": ("通过", "good"),
    "failed": ("不通过", "FAILED"),
    "not_done": ("未进行", "not done"),
    "checked": ("已核对{number}项", "{number} checked"),
    "failures": ("{number}处不符", "{number} wrong"),
    "more": ("……另有{number}处", "... and {number} more"),
    "leaf": ("第{index}条", "entry {index}"),
    "attendance": (
        "出席股东{holders}人,表决权{votes},占{ratio}%",
        "{holders} holders present, {votes} votes, {ratio} %",
    ),
    "motion": ("议案{number} {title}:{outcome}", "Motion {number} {title}: {outcome}"),
    "candidate": ("{number}:{votes}票,{elected}", "{number}: {votes} votes, {elected}"),
    "outcome_passed": ("通过", "carried"),
    "outcome_rejected": ("未通过", "not carried"),
    "outcome_conflict": ("互斥议案同时通过", "carried together with one that excludes it"),
    "elected": ("当选", "elected"),
    "not_elected": ("未当选", "not elected"),
    "for": ("同意", "for"),
    "against": ("反对", "against"),
    "abstain": ("弃权", "abstaining"),
    "counted_by": (
        "重新计票所依据的计票规则(取自议程文件)",
        "Rules by which the votes were counted again (from the agenda)",
    ),
    "rules": ("计票规则(取自议程文件)", "Rules of counting (from the agenda)"),
    "chosen": (" [本次会议选定,非默认]", " [chosen for this meeting, not the default]"),
    "result": ("公布的表决结果", "Announced result"),
    "recounted": ("公布并经独立重新计票的表决结果", "Result, announced and counted again"),
    "good_auditor": (
        "结论:全部核对通过。公布的结果就是日志中全部表决票的计票结果。",
        "Conclusion: everything holds. The announced result is the count of all ballots logged.",
    ),
    "good_uncounted": (
        "结论:已进行的核对全部通过;未重新计票。",
        "Conclusion: all that was checked holds; the votes were not counted again.",
    ),
    "bad": (
        "结论:核对不通过(第{steps}步)。在查明原因之前,不应采信公布的结果。",
        (
            "Conclusion: step {steps} does not hold. The announced result should not be relied "
            "upon until that is explained."
        ),
    ),
    "unreadable": ("无法读取,未作任何核对:{why}", "Cannot be read, nothing was checked: {why}"),
    "proof_good": (
        "{name}:确认码{code}的表决票已计入日志{origin}的第{index}条(共{size}条)。",
        "{name}: the ballot with the code {code} is entry {index} of {size} in the log {origin}.",
    ),
    "promise_good": (
        "{name}:日志{origin}签名承诺计入确认码{code}的表决票。",
        "{name}: the log {origin} promised in its signature to take in the ballot {code}.",
    ),
    "proof_bad": ("{name}:不成立({why})。", "{name}: does not hold ({why})."),
    "record": ("表决内容", "What was cast"),
}


def say(texts: Texts, word: str, language: str, **values: object) -> str:
    """The sentence in this language; a word without one stands for itself."""
    chinese, english = texts.get(word, (word, word))
    sentence = chinese if language == "zh" else english
    return sentence.format_map({name: str(value) for name, value in values.items()})
