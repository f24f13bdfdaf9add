"""Words that mean the same in every city: politeness, who helps in an emergency, ghosts.

What a city's citizens say about its own matters stands in its phrases.tsv; these are about the
language and change with none of them.
"""

import re

ABOUT_ANYTHING = (
    "什么时候", "怎么", "怎么办", "怎么办理", "怎么样", "怎么交", "怎么还", "怎么这么", "哪里",
    "去哪里", "在哪里", "到哪里", "哪儿", "多少", "多少钱", "为什么", "能不能", "可不可以", "可以",
    "不可以", "有没有", "是不是", "要不要", "我要", "我想", "我想问", "我们", "你们", "他们",
    "有人",
    "没有", "没人", "不能", "不给", "一个", "一下", "这个", "那个", "现在", "今天", "昨天", "明天",
    "一直", "问题", "投诉", "举报", "反映", "咨询", "查询", "申请", "办理", "处理", "解决", "麻烦",
    "请问", "你好", "给我", "帮我", "这里", "那里", "我家", "我的", "是什么", "干什么", "什么",
    "一点", "了吗", "了怎么", "没人管", "管不管", "不管", "还没", "还是", "需要", "好多", "好几",
    "自己", "就是", "不是", "知道", "不了", "的问题", "有什么", "要什么", "想问", "想要", "想找",
    "问一下", "到底", "谁管", "哪个", "部门", "单位", "电话",
)  # fmt: skip
"""Said about any matter, so that they tell little of which."""

FILLERS = (
    "你好", "您好", "喂", "请问", "请问一下", "问一下", "想问一下", "咨询一下", "我想", "我要",
    "我想问一下", "我想咨询一下", "反映一下", "麻烦", "麻烦你", "麻烦您", "帮我",
    "给我", "那个", "这个", "就是", "就是说", "同志", "师傅", "谢谢", "谢谢你", "谢谢您",
    "不好意思", "一下", "你们", "我们", "我", "嗯", "啊", "呃", "哎", "哦", "吧", "呢", "嘛",
    "吗", "呀", "哈", "了", "的", "额", "是这样", "我跟你说", "怎么说呢", "能不能", "你给我",
    "我说",
)  # fmt: skip
"""Politeness and hesitation: no part of what is meant."""

CALM = (
    "乱收费", "收费", "态度", "怎么办理", "咨询", "验收", "演练", "培训", "官司", "律师", "太吵",
    "扰民", "多少钱", "价格", "预约", "报销", "发票", "电话是多少", "划分", "认定书", "打不着",
    "点不着", "隐患", "整改", "秸秆", "麦茬", "申请", "补办", "不合格", "投诉", "举报", "冒充",
    "罚款", "工伤",
)  # fmt: skip
"""Nobody who says these is in danger just now."""

CALMER = (
    "打不通", "没人接", "以前", "去年", "上个月", "怎么处理", "保险", "赔偿", "检查",
)  # fmt: skip
"""Nor, mostly, who says these; but 一二零打不通我爸晕倒了 is an emergency."""

HELPERS = (
    "救护车", "急救", "急救车", "急救中心", "消防队", "消防车", "消防员", "消防", "火警", "警察",
    "报警", "交警", "派出所", "民警", "公安", "公安局", "交警队", "事故", "交通事故", "一一零",
    "一一九", "一二零", "一二二",
)  # fmt: skip
"""Who helps in an emergency: naming them in a longer sentence is not yet calling them."""

WOODS = (
    "山上", "山林", "森林", "树林", "林子", "林区", "林场", "上坟", "山里", "后山", "荒山", "山坡",
    "秦岭", "林地", "草原",
)  # fmt: skip
"""Where a fire is the forest fire line's, which has a number of its own."""

HARMLESS = frozenset(
    {"大家", "同事", "知道", "东西", "起来", "手机", "超市", "时候", "事情", "满意"}
)
"""Everyday words that sound like an emergency (大家 like 打架), believed when they are written."""

COMPLAINING = ("投诉", "举报")
TAKES_COMPLAINTS = re.compile(r"投诉|举报|监督|维权|监察")
"""In the name of a hotline."""
TITLE = re.compile(r"(服务|客服|咨询|公益)?(监督)?(热线|电话|热线电话)$")
"""End of a hotline's name that callers leave out."""

NEGATIONS = frozenset({("bu",), ("mei",), ("mei", "you"), ("bie",)})
BETWEEN = frozenset({"tai", "shi", "hen", "zen", "me", "gou", "neng", "suan", "da", "dou", "you"})
"""Sounds that may stand between a negation and what it negates: 不是很满意."""

GHOSTS = re.compile(
    r"字幕|订阅|点赞|打赏|明镜|谢谢(观看|收看|大家)|感谢观看|下期再见|索兰娅|普通话的句子"
    r"|yoyo|amara|television|^\W*[(\[【].*[)\]】]\W*$"
)
"""What Whisper writes for silence and music: it learned from subtitles. In `plain` writing."""
